//go:build !linux

package wire

import (
	"errors"
	"net"
)

// canSendFiles: records are read and written where the system is not known to do better.
const canSendFiles = false

func sendFiles(*net.TCPConn, []byte, []Piece) error { return errors.ErrUnsupported }
