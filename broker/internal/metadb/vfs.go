package metadb

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// noWALSync is a file system on which syncing a write-ahead log does nothing until the log is closed. Only the logs:
// with every sync gone, a power loss could leave tables that the manifest names and the disk does not have, and the
// database would no longer open.
type noWALSync struct{ vfs.FS }

func (fs noWALSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return wrapWAL(name, f, err)
}

func (fs noWALSync) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, c)
	return wrapWAL(newname, f, err)
}

// Unwrap is part of vfs.FS.
func (fs noWALSync) Unwrap() vfs.FS { return fs.FS }

func wrapWAL(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return walFile{f}, nil
}

type walFile struct{ vfs.File }

func (walFile) Sync() error                { return nil }
func (walFile) SyncData() error            { return nil }
func (walFile) SyncTo(int64) (bool, error) { return true, nil }
func (f walFile) Close() error             { return errors.Join(f.File.Sync(), f.File.Close()) }
