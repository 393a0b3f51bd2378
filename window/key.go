package window

import (
	"encoding/binary"
	"fmt"
)

// The bytes of keys in windows. All numbers are big-endian, so that the windows of one key are in the order of their time: for starts
// from the epoch on, which are the only ones.
//
//	topic, time and sliding windows   key, start (8)
//	store and changelog of the same   key, start (8), sequence number (4)
//	sessions, everywhere              key, end (8), start (8): the end first
//
// A time window's end is not written: it follows from the definition. The sequence number is 0 unless a store retains duplicates.

const (
	startSize   = 8
	storeSize   = 8 + 4
	sessionSize = 8 + 8
)

// AppendKey appends a key in a time window as topics have it: the key's bytes, then the start.
func AppendKey(dst, key []byte, start Time) []byte {
	return binary.BigEndian.AppendUint64(append(dst, key...), uint64(start))
}

// ParseKey takes apart what [AppendKey] wrote. The key is a part of b.
func ParseKey(b []byte) (key []byte, start Time, err error) {
	n := len(b) - startSize
	if n < 0 {
		return nil, 0, tooShort("key in a time window", startSize, len(b))
	}
	return b[:n:n], Time(binary.BigEndian.Uint64(b[n:])), nil
}

// AppendStoreKey appends a key in a time window as window stores and their changelogs have it.
func AppendStoreKey(dst, key []byte, start Time, seq uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendKey(dst, key, start), seq)
}

// ParseStoreKey takes apart what [AppendStoreKey] wrote. The key is a part of b.
func ParseStoreKey(b []byte) (key []byte, start Time, seq uint32, err error) {
	n := len(b) - storeSize
	if n < 0 {
		return nil, 0, 0, tooShort("key of a window store", storeSize, len(b))
	}
	return b[:n:n], Time(binary.BigEndian.Uint64(b[n:])), binary.BigEndian.Uint32(b[n+startSize:]), nil
}

// AppendSessionKey appends a key in a session as topics, stores and changelogs have it.
func AppendSessionKey(dst, key []byte, w Window) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, key...), uint64(w.End))
	return binary.BigEndian.AppendUint64(dst, uint64(w.Start))
}

// ParseSessionKey takes apart what [AppendSessionKey] wrote. The key is a part of b.
func ParseSessionKey(b []byte) (key []byte, w Window, err error) {
	n := len(b) - sessionSize
	if n < 0 {
		return nil, Window{}, tooShort("key in a session", sessionSize, len(b))
	}
	end, start := binary.BigEndian.Uint64(b[n:]), binary.BigEndian.Uint64(b[n+8:])
	return b[:n:n], Window{Time(start), Time(end)}, nil
}

func tooShort(what string, want, got int) error {
	return fmt.Errorf("window: %s needs at least %d bytes, got %d", what, want, got)
}
