package broker_test

import (
	"errors"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// dyingFS is a file system that stops changing after a number of operations, as the disk of a process that is killed
// does: the last write is cut in half, everything after it fails.
type dyingFS struct {
	vfs.FS
	left *atomic.Int64 // operations until then
}

var errDead = errors.New("the process is dead")

// live takes one operation.
func (f dyingFS) live() error {
	if f.left.Add(-1) < 0 {
		return errDead
	}
	return nil
}

func (f dyingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.live(); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.Create(name, c))
}

func (f dyingFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := f.live(); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.OpenReadWrite(name, c, opts...))
}

func (f dyingFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.live(); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.ReuseForWrite(oldname, newname, c))
}

func (f dyingFS) Link(oldname, newname string) error {
	if err := f.live(); err != nil {
		return err
	}
	return f.FS.Link(oldname, newname)
}

func (f dyingFS) Remove(name string) error {
	if err := f.live(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f dyingFS) RemoveAll(name string) error {
	if err := f.live(); err != nil {
		return err
	}
	return f.FS.RemoveAll(name)
}

func (f dyingFS) Rename(oldname, newname string) error {
	if err := f.live(); err != nil {
		return err
	}
	return f.FS.Rename(oldname, newname)
}

func (f dyingFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.live(); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir, perm)
}

func (f dyingFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return dyingFile{file, f}, nil
}

type dyingFile struct {
	vfs.File
	fs dyingFS
}

func (f dyingFile) Write(p []byte) (int, error) {
	switch left := f.fs.left.Add(-1); {
	case left < -1:
		return 0, errDead
	case left < 0:
		n, _ := f.File.Write(p[:len(p)/2]) // the write that is cut off
		return n, errDead
	}
	return f.File.Write(p)
}

func (f dyingFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.live(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f dyingFile) Sync() error {
	if err := f.fs.live(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f dyingFile) SyncData() error {
	if err := f.fs.live(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f dyingFile) SyncTo(length int64) (bool, error) {
	if err := f.fs.live(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}
