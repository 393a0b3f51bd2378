package broker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lockDir makes the directory and takes it for this broker alone.
func (b *Broker) lockDir() error {
	fs, dir := b.cfg.FS, b.cfg.Dir
	if err := b.makeDir(); err != nil {
		return fmt.Errorf("create broker directory %s: %w", dir, err)
	}
	lock, err := fs.Lock(fs.PathJoin(dir, "lock"))
	if errors.Is(err, syscall.EWOULDBLOCK) || err != nil && strings.Contains(err.Error(), "lock held by current process") {
		return fmt.Errorf("%w: %s%s; stop it, or give this one its own Dir", ErrLocked, dir, holder(fs, dir))
	}
	if err != nil {
		return fmt.Errorf("broker directory %s cannot be used: %w", dir, err)
	}
	if err := writeHolder(fs, dir, b.cfg.Now()); err != nil {
		return errors.Join(fmt.Errorf("broker directory %s cannot be used: %w", dir, err), lock.Close())
	}
	b.lock = lock
	return nil
}

// makeDir makes the directory. Unless a loss of power may take everything, the directories that it is in are synced: it must not
// be lost with all that is in it.
func (b *Broker) makeDir() error {
	fs, dir := b.cfg.FS, b.cfg.Dir
	parents := []string{fs.PathDir(dir)}
	for p := parents[0]; fs.PathDir(p) != p; p = fs.PathDir(p) {
		if _, err := fs.Stat(p); err == nil {
			break
		}
		parents = append(parents, fs.PathDir(p))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil || b.cfg.Sync == SyncNever {
		return err
	}
	for _, p := range parents {
		d, err := fs.OpenDir(p)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// holderFile tells people who find the directory locked whose it is. Nothing depends on it.
const holderFile = "lock.holder"

func writeHolder(fs vfs.FS, dir string, now time.Time) error {
	f, err := fs.Create(fs.PathJoin(dir, holderFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "process %d since %s", os.Getpid(), now.UTC().Format(time.RFC3339))
	return errors.Join(err, f.Close())
}

// holder returns what writeHolder wrote, in brackets; empty if that cannot be read.
func holder(fs vfs.FS, dir string) string {
	f, err := fs.Open(fs.PathJoin(dir, holderFile))
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, 100))
	if errors.Join(err, f.Close()) != nil || len(text) == 0 {
		return ""
	}
	return " (" + string(text) + ")"
}
