package streams

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// TestForeignKeyMessagesAreKafkas checks the bytes of subscriptions and answers: those that Kafka Streams wrote for the left row a = 1|x.
func TestForeignKeyMessagesAreKafkas(t *testing.T) {
	t.Parallel()
	const sum = "3717efa5f3080404f11094d7a47651b6"
	h := hashOf([]byte("1|x"))
	require.Equal(t, sum, hex.EncodeToString(h.sum[:]), "Kafka's Murmur3")

	subs := subscriptionSerde[string]{serde.String}
	for _, c := range []struct {
		sub  subscription[string]
		want string
	}{
		{subscription[string]{h, subscribeIfPresent, "a", 0}, "01" + "03" + sum + "61" + "00000000"},
		{subscription[string]{h, subscribe, "a", 5}, "01" + "02" + sum + "61" + "00000005"},
		{subscription[string]{hash{}, unsubscribeAnswer, "a", 1}, "81" + "01" + "61" + "00000001"},
		{subscription[string]{hash{}, unsubscribe, "", 1}, "81" + "00" + "00000001"},
	} {
		b, err := subs.Append(nil, c.sub)
		require.NoError(t, err)
		require.Equal(t, c.want, hex.EncodeToString(b))
		back, err := subs.Decode(b)
		require.NoError(t, err)
		require.Equal(t, c.sub, back)
	}
	old, err := subs.Decode(unhex(t, "00"+"02"+sum+"61"))
	require.NoError(t, err)
	require.Equal(t, subscription[string]{h, subscribe, "a", -1}, old, "version 0 has no partition")
	for _, broken := range []string{"", "01", "0102" + sum[2:], "81" + "04" + "61" + "00000000", "82" + "01" + "61" + "00000000", "81" + "01" + "000000"} {
		_, err := subs.Decode(unhex(t, broken))
		require.Error(t, err, broken)
	}

	answers := answerSerde[string]{serde.String}
	for _, c := range []struct {
		answer answer[string]
		want   string
	}{
		{answer[string]{hash: h, value: "X", there: true}, "00" + sum + "58"},
		{answer[string]{hash: h}, "00" + sum},
		{answer[string]{}, "80"},
	} {
		b, err := answers.Append(nil, c.answer)
		require.NoError(t, err)
		require.Equal(t, c.want, hex.EncodeToString(b))
		back, err := answers.Decode(b)
		require.NoError(t, err)
		require.Equal(t, c.answer, back)
	}

	keys := combinedSerde[string, string]{serde.String, serde.String}
	b, err := keys.Append(nil, combinedKey[string, string]{"x", "a"})
	require.NoError(t, err)
	require.Equal(t, "00000001"+"78"+"61", hex.EncodeToString(b))
	back, err := keys.Decode(b)
	require.NoError(t, err)
	require.Equal(t, combinedKey[string, string]{"x", "a"}, back)
	for _, broken := range []string{"000000", "0000000278", "ffffffff78"} {
		_, err := keys.Decode(unhex(t, broken))
		require.ErrorIs(t, err, errShortMessage, broken)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
