package streams

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/millrace-go/millrace/state"
)

// stateDir is an instance's folder: the lock, its identity and the database of its stores.
//
//	lock      held while the application runs: one process per folder
//	pid       who holds it
//	identity  names the instance in the group and its transactions, so that a restart takes the place of what was there before
//	stores/   the database
//	custom/   folders of custom stores, by task and store
type stateDir struct {
	path     string
	identity string
	lock     *flock.Flock
}

func openStateDir(c *Config) (*stateDir, error) {
	base := c.StateDir
	if base == "" {
		var err error
		if base, err = DefaultStateDir(); err != nil {
			return nil, err
		}
	}
	d := &stateDir{path: filepath.Join(base, c.ApplicationID)}
	if err := os.MkdirAll(d.path, 0o750); err != nil {
		return nil, fmt.Errorf("state directory %s cannot be created: %w: set Config.StateDir to a folder that this user may write", d.path, err)
	}
	d.lock = flock.New(filepath.Join(d.path, "lock"))
	ok, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("state directory %s cannot be locked: %w: set Config.StateDir to a folder that this user may write", d.path, err)
	}
	if !ok {
		return nil, fmt.Errorf("state directory %s is in use by another process of this application%s: stop it, or give this one another Config.StateDir", d.path, d.holder())
	}
	if err := os.WriteFile(d.pid(), strconv.AppendInt(nil, int64(os.Getpid()), 10), 0o640); err != nil {
		return nil, errors.Join(fmt.Errorf("state directory %s cannot be written: %w", d.path, err), d.close())
	}
	if d.identity, err = d.identify(c.InstanceID); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *stateDir) pid() string { return filepath.Join(d.path, "pid") }

// holder says which process holds the lock, if it has said so itself.
func (d *stateDir) holder() string {
	b, err := os.ReadFile(d.pid())
	if err != nil || len(b) == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %s)", b)
}

// identify is the instance's identity: the configured one, or one that is made once.
func (d *stateDir) identify(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	file := filepath.Join(d.path, "identity")
	b, err := os.ReadFile(file)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("state directory: %w", err)
	}
	id := strings.ToLower(rand.Text()[:12])
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, []byte(id+"\n"), 0o640); err != nil {
		return "", fmt.Errorf("state directory %s cannot be written: %w", d.path, err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return "", fmt.Errorf("state directory: %w", err)
	}
	return id, nil
}

// openDB opens the database. One that cannot be opened is set aside: its stores are rebuilt from their changelogs.
func (d *stateDir) openDB(c *Config) (*state.DB, error) {
	o := state.DBOptions{Memory: c.StateMemory, Logger: c.Logger}
	db, err := state.OpenDB(d.stores(), o)
	if err == nil || errors.Is(err, state.ErrNoSpace) {
		return db, err
	}
	if err := d.setAside(c, err); err != nil {
		return nil, err
	}
	return state.OpenDB(d.stores(), o)
}

func (d *stateDir) stores() string { return filepath.Join(d.path, "stores") }
func (d *stateDir) custom() string { return filepath.Join(d.path, "custom") }

// setAside moves a database away that cannot be used, in the place of an earlier one.
func (d *stateDir) setAside(c *Config, cause error) error {
	aside := d.stores() + ".damaged"
	if err := errors.Join(os.RemoveAll(aside), os.Rename(d.stores(), aside)); err != nil {
		return fmt.Errorf("the stores cannot be used: %w (and not moved aside: %w)", cause, err)
	}
	c.Logger.Warn("the stores could not be used and are rebuilt from their changelogs; the damaged files were kept", "app", c.ApplicationID, "error", cause, "kept", aside)
	return nil
}

func (d *stateDir) close() error {
	if err := os.Remove(d.pid()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, d.lock.Unlock())
	}
	return d.lock.Unlock()
}
