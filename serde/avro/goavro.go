package avro

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/linkedin/goavro/v2"
)

// init sets the limits that goavro has for the whole process. It runs before main, so that a program can choose others there.
func init() {
	if goavro.MaxBlockCount == math.MaxInt32 {
		goavro.MaxBlockCount = blockItems
	}
	if goavro.MaxBlockSize == math.MaxInt32 {
		goavro.MaxBlockSize = MaxBytes
	}
}

// goavroCodec is goavro behind the interface of this package.
type goavroCodec struct {
	c      *goavro.Codec
	shares bool // decoded values may point into the input: goavro cuts bytes and fixed out of it
	loops  bool // values can be of any depth
}

func newGoavro(text string, s *schema) (_ goavroCodec, err error) {
	defer func() {
		recovered(&err) // of what goavro takes for granted of a decimal's attributes
		if err != nil {
			err = fmt.Errorf("avro: schema: %w", err)
		}
	}()
	opts := goavro.DefaultCodecOption()
	opts.EnableDecimalBinarySpecCompliantEncoding = true // the default writes decimals that nobody else reads
	c, err := goavro.NewCodecWithOptions(text, opts)
	if err != nil {
		return goavroCodec{}, err
	}
	return goavroCodec{c, s.bytes, s.loops}, nil
}

func (g goavroCodec) Append(dst []byte, v any) ([]byte, error) {
	if g.loops {
		if err := checkDepth(reflect.ValueOf(v), 0); err != nil {
			return dst, err
		}
	}
	return g.c.BinaryFromNative(dst, v)
}

func (g goavroCodec) Decode(src []byte) (any, []byte, error) {
	if g.shares {
		src = bytes.Clone(src)
	}
	return g.c.NativeFromBinary(src)
}

// checkDepth keeps goavro from following a value that contains itself until the stack is full. How deep the record is exactly, the walk over
// the bytes says afterwards: here unions are levels too, as maps with one entry.
func checkDepth(v reflect.Value, depth int) error {
	if depth > 4*MaxDepth {
		return errors.New("value nests too deep: does it contain itself?")
	}
	switch v.Kind() {
	case reflect.Interface:
		return checkDepth(v.Elem(), depth)
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if err := checkDepth(i.Value(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := checkDepth(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
