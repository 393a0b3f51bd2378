package security

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"
)

var testSecret = []byte("0123456789abcdef")

var allMechanisms = []string{PlainName, SCRAMSHA256Name, SCRAMSHA512Name}

// testAuthenticator knows alice of the configuration, and bob with only one
// mechanism that was kept.
func testAuthenticator(t *testing.T) (*Authenticator, *Users) {
	t.Helper()
	users := NewUsers()
	require.NoError(t, users.Configure("alice", "wonderland"))
	bob, err := NewCredential(SCRAMSHA256, "builder", MinIterations)
	require.NoError(t, err)
	users.Set("bob", SCRAMSHA256, bob)
	a, err := NewAuthenticator(users, allMechanisms, testSecret)
	require.NoError(t, err)
	return a, users
}

func plain(authzid, user, password string) []byte {
	return []byte(authzid + "\x00" + user + "\x00" + password)
}

func TestPlain(t *testing.T) {
	a, _ := testAuthenticator(t)
	for _, c := range []struct {
		name string
		in   []byte
		user string // of a success
	}{
		{"right password", plain("", "alice", "wonderland"), "alice"},
		{"authzid that is the user", plain("alice", "alice", "wonderland"), "alice"},
		{"user with one mechanism", plain("", "bob", "builder"), "bob"},
		{"wrong password", plain("", "alice", "Wonderland"), ""},
		{"password of another", plain("", "alice", "builder"), ""},
		{"unknown user", plain("", "mallory", "wonderland"), ""},
		{"authzid of another", plain("bob", "alice", "wonderland"), ""},
		{"no password", plain("", "alice", ""), ""},
		{"no user", plain("", "", "wonderland"), ""},
		{"two parts", []byte("alice\x00wonderland"), ""},
		{"four parts", []byte("\x00alice\x00wonderland\x00"), ""},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := a.Begin(PlainName)
			require.NoError(t, err)
			out, done, err := e.Step(c.in)
			if c.user != "" {
				require.NoError(t, err)
				require.True(t, done)
				require.Empty(t, out)
				user, ok := e.User()
				require.True(t, ok)
				require.Equal(t, c.user, user)
			} else {
				var f *Failure
				require.ErrorAs(t, err, &f)
				require.False(t, done)
				require.NotContains(t, err.Error(), "onderland", "a password in an error")
				_, ok := e.User()
				require.False(t, ok)
			}
			_, done, err = e.Step(plain("", "alice", "wonderland"))
			require.Error(t, err, "an exchange that has ended goes on")
			require.False(t, done)
		})
	}
}

func scramClient(t *testing.T, mechanism, user, password, authzid string) *scram.ClientConversation {
	t.Helper()
	gen := scram.SHA256
	if mechanism == SCRAMSHA512Name {
		gen = scram.SHA512
	}
	c, err := gen.NewClient(user, password, authzid)
	require.NoError(t, err)
	return c.NewConversation()
}

// runSCRAM lets a client log in; tamper changes its messages.
func runSCRAM(t *testing.T, a *Authenticator, mechanism string, conv *scram.ClientConversation, tamper func(step int, msg string) string) (string, error) {
	t.Helper()
	e, err := a.Begin(mechanism)
	require.NoError(t, err)
	var in []byte
	for step := 1; ; step++ {
		msg, err := conv.Step(string(in))
		require.NoError(t, err)
		if tamper != nil {
			msg = tamper(step, msg)
		}
		out, done, err := e.Step([]byte(msg))
		if err != nil {
			return "", err
		}
		if in = out; done {
			_, err := conv.Step(string(out))
			require.NoError(t, err, "the client does not believe the server")
			require.True(t, conv.Valid())
			user, ok := e.User()
			require.True(t, ok)
			return user, nil
		}
		require.Less(t, step, 3)
	}
}

func TestSCRAM(t *testing.T) {
	a, _ := testAuthenticator(t)
	for _, c := range []struct {
		name, mechanism, user, password, authzid string
		tamper                                   func(step int, msg string) string
		ok                                       bool
	}{
		{name: "sha-256", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", ok: true},
		{name: "sha-512", mechanism: SCRAMSHA512Name, user: "alice", password: "wonderland", ok: true},
		{name: "authzid that is the user", mechanism: SCRAMSHA512Name, user: "alice", password: "wonderland", authzid: "alice", ok: true},
		{name: "authzid of another", mechanism: SCRAMSHA512Name, user: "alice", password: "wonderland", authzid: "bob"},
		{name: "kept user", mechanism: SCRAMSHA256Name, user: "bob", password: "builder", ok: true},
		{name: "mechanism that the user lacks", mechanism: SCRAMSHA512Name, user: "bob", password: "builder"},
		{name: "wrong password", mechanism: SCRAMSHA256Name, user: "alice", password: "builder"},
		{name: "unknown user", mechanism: SCRAMSHA256Name, user: "mallory", password: "wonderland"},
		{name: "nonce of another exchange", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				return strings.Replace(msg, ",r=", ",r=x", 1)
			}
			return msg
		}},
		{name: "nonce without the server's part", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				fields := strings.Split(msg, ",")
				fields[1] = fields[1][:10]
				return strings.Join(fields, ",")
			}
			return msg
		}},
		{name: "no channel binding", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				return msg[strings.Index(msg, "r="):]
			}
			return msg
		}},
		{name: "other channel binding", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				return strings.Replace(msg, "c="+base64.StdEncoding.EncodeToString([]byte("n,,")), "c="+base64.StdEncoding.EncodeToString([]byte("y,,")), 1)
			}
			return msg
		}},
		{name: "demand for channel binding", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			return "p=tls-unique,," + strings.TrimPrefix(msg, "n,,")
		}},
		{name: "no proof", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				return msg[:strings.Index(msg, ",p=")]
			}
			return msg
		}},
		{name: "short proof", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			if step == 2 {
				return msg[:strings.Index(msg, ",p=")] + ",p=AAAA"
			}
			return msg
		}},
		{name: "other user in the end", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(step int, msg string) string {
			return strings.Replace(msg, "n=alice", "n=bob", 1)
		}},
		{name: "garbage", mechanism: SCRAMSHA256Name, user: "alice", password: "wonderland", tamper: func(int, string) string { return "\xff\x00,,," }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			user, err := runSCRAM(t, a, c.mechanism, scramClient(t, c.mechanism, c.user, c.password, c.authzid), c.tamper)
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, c.user, user)
				return
			}
			var f *Failure
			require.ErrorAs(t, err, &f)
		})
	}
}

// TestSCRAMReplay: what one log-in said does not make another one.
func TestSCRAMReplay(t *testing.T) {
	a, _ := testAuthenticator(t)
	var said []string
	_, err := runSCRAM(t, a, SCRAMSHA256Name, scramClient(t, SCRAMSHA256Name, "alice", "wonderland", ""), func(_ int, msg string) string {
		said = append(said, msg)
		return msg
	})
	require.NoError(t, err)
	e, err := a.Begin(SCRAMSHA256Name)
	require.NoError(t, err)
	for step, msg := range said {
		_, done, err := e.Step([]byte(msg))
		require.Equal(t, step == 1, err != nil)
		require.False(t, done)
	}
}

// TestStrangersLookLikeUsers: what a client sees of a user that does not exist
// is what it would see of one that does, and the same at the next try and after a
// restart.
func TestStrangersLookLikeUsers(t *testing.T) {
	a, users := testAuthenticator(t)
	first := func(a *Authenticator, user string) string {
		e, err := a.Begin(SCRAMSHA256Name)
		require.NoError(t, err)
		out, done, err := e.Step([]byte("n,,n=" + user + ",r=abc"))
		require.NoError(t, err)
		require.False(t, done)
		s := string(out)
		require.Regexp(t, `^r=abc[^,]+,s=[A-Za-z0-9+/]{32},i=15000$`, s)
		return s[strings.Index(s, ",s="):]
	}
	mallory := first(a, "mallory")
	first(a, "alice")
	require.Equal(t, mallory, first(a, "mallory"))
	require.NotEqual(t, mallory, first(a, "trudy"))
	restarted, err := NewAuthenticator(users, allMechanisms, testSecret)
	require.NoError(t, err)
	require.Equal(t, mallory, first(restarted, "mallory"))
}

func TestOnlyEnabledMechanisms(t *testing.T) {
	a, err := NewAuthenticator(NewUsers(), []string{SCRAMSHA512Name}, testSecret)
	require.NoError(t, err)
	_, err = a.Begin(PlainName)
	require.ErrorIs(t, err, ErrMechanism)
	_, err = a.Begin("")
	require.ErrorIs(t, err, ErrMechanism)
	_, err = NewAuthenticator(NewUsers(), []string{"GSSAPI"}, testSecret)
	require.ErrorContains(t, err, "GSSAPI")
	_, err = NewAuthenticator(NewUsers(), allMechanisms, []byte("short"))
	require.Error(t, err)
}

func TestCredentialsDoNotPrintTheirKeys(t *testing.T) {
	c, err := NewCredential(SCRAMSHA256, "p", MinIterations)
	require.NoError(t, err)
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), errors.New(c.String()).Error()} {
		require.Equal(t, "iterations=4096", s)
	}
}

func TestFromSaltedPassword(t *testing.T) {
	salt := []byte("salt")
	for _, c := range []struct {
		name       string
		m          Mechanism
		salted     []byte
		salt       []byte
		iterations int
		ok         bool
	}{
		{"the floor", SCRAMSHA256, []byte("x"), salt, MinIterations, true},
		{"below the floor", SCRAMSHA256, []byte("x"), salt, MinIterations - 1, false},
		{"the ceiling", SCRAMSHA512, []byte("x"), salt, MaxIterations, true},
		{"above the ceiling", SCRAMSHA512, []byte("x"), salt, MaxIterations + 1, false},
		{"unknown mechanism", 3, []byte("x"), salt, MinIterations, false},
		{"no salt", SCRAMSHA256, []byte("x"), nil, MinIterations, false},
		{"no password", SCRAMSHA256, nil, salt, MinIterations, false},
	} {
		_, err := FromSaltedPassword(c.m, c.salted, c.salt, c.iterations)
		require.Equal(t, c.ok, err == nil, c.name)
	}
}

func TestUsers(t *testing.T) {
	u := NewUsers()
	require.NoError(t, u.Configure("alice", "old"))
	changed, err := NewCredential(SCRAMSHA256, "new", MinIterations)
	require.NoError(t, err)
	require.False(t, u.Kept("alice", SCRAMSHA256))
	u.Set("alice", SCRAMSHA256, changed)
	require.True(t, u.Kept("alice", SCRAMSHA256))
	require.Equal(t, []UserInfo{{"alice", SCRAMSHA256, MinIterations}, {"alice", SCRAMSHA512, DefaultIterations}}, u.List())
	u.Delete("alice", SCRAMSHA256)
	c, ok := u.Lookup("alice", SCRAMSHA256)
	require.True(t, ok)
	require.True(t, c.verify(SCRAMSHA256, "old"), "the configured user is back")
}

func FuzzExchange(f *testing.F) {
	f.Add([]byte("n,,n=alice,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	f.Add(plain("", "alice", "wonderland"), []byte{})
	users := NewUsers()
	c, err := FromSaltedPassword(SCRAMSHA256, []byte("salted"), []byte("salt"), MinIterations)
	require.NoError(f, err)
	users.Set("alice", SCRAMSHA256, c)
	a, err := NewAuthenticator(users, allMechanisms, testSecret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		e, err := a.Begin(SCRAMSHA256Name)
		require.NoError(t, err)
		for _, in := range [][]byte{one, two} {
			if _, done, _ := e.Step(in); done {
				t.Fatal("logged in without the password")
			}
		}
	})
}
