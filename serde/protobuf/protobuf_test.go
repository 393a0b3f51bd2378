package protobuf_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/millrace-go/millrace/serde/protobuf"
)

func TestMessagesAreTheirPlainEncoding(t *testing.T) {
	t.Parallel()
	s := protobuf.New[*timestamppb.Timestamp]()
	b, err := s.Append([]byte("before"), &timestamppb.Timestamp{Seconds: 1, Nanos: 2})
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	require.Equal(t, "08011002", hex.EncodeToString(b[6:]))
	m, err := s.Decode(b[6:])
	require.NoError(t, err)
	require.True(t, proto.Equal(&timestamppb.Timestamp{Seconds: 1, Nanos: 2}, m))

	empty, err := s.Append(nil, &timestamppb.Timestamp{})
	require.NoError(t, err)
	require.Empty(t, empty)
	m, err = s.Decode(nil)
	require.NoError(t, err)
	require.NotNil(t, m)
}

func TestEqualMessagesHaveEqualBytes(t *testing.T) {
	t.Parallel()
	fields := map[string]any{}
	for i := range 50 {
		fields[fmt.Sprint("k", i)] = i
	}
	s := protobuf.New[*structpb.Struct]()
	var first []byte
	for range 10 {
		m, err := structpb.NewStruct(fields)
		require.NoError(t, err)
		b, err := s.Append(nil, m)
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	t.Parallel()
	s := protobuf.New[*wrapperspb.Int64Value]()
	src := []byte{0x08, 0x05, 0x78, 0x01} // field 15 is nobody's
	m, err := s.Decode(src)
	require.NoError(t, err)
	require.EqualValues(t, 5, m.Value)
	b, err := s.Append(nil, m)
	require.NoError(t, err)
	require.Equal(t, src, b)
}

func TestADecodedMessageDoesNotPointIntoItsInput(t *testing.T) {
	t.Parallel()
	src := []byte{0x0a, 0x02, 'a', 'b'}
	m, err := protobuf.New[*wrapperspb.BytesValue]().Decode(src)
	require.NoError(t, err)
	src[3] = 'X'
	require.Equal(t, "ab", string(m.Value))
}

// lists is a list in a list, so often: two messages each, a Value and its ListValue.
func lists(n int) []byte {
	var b []byte
	for range n {
		b = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b) // a ListValue of one
		b = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), b) // in a Value
	}
	return b
}

func TestDepthIsAllowedUpToItsLimit(t *testing.T) {
	t.Parallel()
	s := protobuf.New[*structpb.Value]()
	_, err := s.Decode(lists(protobuf.MaxDepth/2 - 1))
	require.NoError(t, err)
	for _, n := range []int{protobuf.MaxDepth/2 + 1, 10_000} {
		_, err = s.Decode(lists(n))
		require.ErrorContains(t, err, "recursion depth")
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	value := protobuf.New[*structpb.Value]()
	_, err := value.Decode([]byte{0x32, 0x7f})
	require.ErrorContains(t, err, "protobuf: google.protobuf.Value: ")
	_, err = value.Decode(make([]byte, protobuf.MaxBytes+1))
	require.EqualError(t, err, "protobuf: google.protobuf.Value of 16777217 bytes is longer than 16777216")
	_, err = protobuf.New[*wrapperspb.StringValue]().Decode([]byte{0x0a, 0x01, 0xff})
	require.ErrorContains(t, err, "UTF-8")
	_, err = protobuf.New[*descriptorpb.UninterpretedOption_NamePart]().Decode(nil)
	require.ErrorContains(t, err, "required field")

	for _, c := range []struct {
		name string
		m    *wrapperspb.BytesValue
		want string
	}{
		{"nil", nil, "protobuf: a nil message is no google.protobuf.BytesValue: say that there is no value with a tombstone"},
		{"too long", wrapperspb.Bytes(make([]byte, protobuf.MaxBytes)), "protobuf: google.protobuf.BytesValue of 16777221 bytes is longer than 16777216"},
	} {
		b, err := protobuf.New[*wrapperspb.BytesValue]().Append([]byte("before"), c.m)
		require.EqualError(t, err, c.want, c.name)
		require.Equal(t, "before", string(b), c.name)
	}
	require.PanicsWithValue(t, "protobuf: New needs the type of a message, *pb.Order say, and Like a message: a nil interface has no type",
		func() { protobuf.New[proto.Message]() })
}

func TestMessagesOfARunTimeType(t *testing.T) {
	t.Parallel()
	d := (&timestamppb.Timestamp{}).ProtoReflect().Descriptor()
	s := protobuf.Like(dynamicpb.NewMessage(d))
	m, err := s.Decode([]byte{0x08, 0x01})
	require.NoError(t, err)
	require.EqualValues(t, 1, m.Get(d.Fields().ByName("seconds")).Int())
	b, err := s.Append(nil, m)
	require.NoError(t, err)
	require.Equal(t, []byte{0x08, 0x01}, b)
}

func ExampleNew() {
	s := protobuf.New[*timestamppb.Timestamp]()
	b, _ := s.Append(nil, &timestamppb.Timestamp{Seconds: 1})
	m, err := s.Decode(b)
	fmt.Println(b, m.Seconds, err)

	_, err = s.Append(nil, nil)
	fmt.Println(err)
	// Output:
	// [8 1] 1 <nil>
	// protobuf: a nil message is no google.protobuf.Timestamp: say that there is no value with a tombstone
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x32, 0x00})
	f.Add([]byte(strings.Repeat("\x32\x00", 50)))
	s := protobuf.New[*structpb.Value]()
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := s.Decode(src)
		if err != nil {
			return
		}
		b, err := s.Append(nil, m)
		require.NoError(t, err)
		again, err := s.Decode(b)
		require.NoError(t, err)
		b2, err := s.Append(nil, again)
		require.NoError(t, err)
		require.Equal(t, b, b2)
	})
}
