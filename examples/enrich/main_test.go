package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/examples/internal/demo/demotest"
)

var program string

func TestMain(m *testing.M) { demotest.Build(m, &program) }

const result = `{"order":"o1","cents":4999,"customer":{"id":"c2","name":"Grace","city":"New York"}}
{"order":"o2","cents":1250,"customer":{"id":"c1","name":"Ada","city":"London"}}
{"order":"o3","cents":300,"customer":null}
{"order":"o4","cents":89900,"customer":{"id":"c4","name":"Barbara","city":"Los Angeles"}}
{"order":"o5","cents":700,"customer":{"id":"c2","name":"Grace","city":"New York"}}
{"order":"o6","cents":15000,"customer":{"id":"c3","name":"Edsger","city":"Rotterdam"}}
`

func TestOrdersGetTheirCustomers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := demotest.StartFrom(t, nil, program, "-dir", dir)
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, result, c.Output())
	for _, line := range []string{"millrace", "no customers given: ", "no orders given: ", "application   enrich", "broker        embedded", "enrich-orders-by-customer-repartition", "enrich-customers-by-id-changelog", "exactly_once_v2", "RUNNING"} {
		require.Contains(t, c.Errors(), line)
	}
	c = demotest.StartFrom(t, nil, program, "-dir", dir)
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, result, c.Output(), "nothing is enriched twice")
	require.NotContains(t, c.Errors(), "restored", "a clean stop causes no restore")
}

func TestCustomersAreKnownBeforeTheOrders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	customers := demotest.File(t, `{"id":"c9","name":"Alan"}`+"\n")
	out, errs, code := demotest.Run(t, `{"id":"x","customer":"c9","cents":1}`+"\n", program, "-dir", dir, "-customers", customers, "-orders", "-")
	require.Zero(t, code, errs)
	require.Equal(t, `{"order":"x","cents":1,"customer":{"id":"c9","name":"Alan","city":""}}`+"\n", out)

	// Other customers are another input: nothing is left of the first run.
	customers = demotest.File(t, `{"id":"c8","name":"Kurt"}`+"\n")
	out, errs, code = demotest.Run(t, `{"id":"x","customer":"c9","cents":1}`+"\n", program, "-dir", dir, "-customers", customers, "-orders", "-")
	require.Zero(t, code, errs)
	require.Equal(t, `{"order":"x","cents":1,"customer":null}`+"\n", out)
	require.Contains(t, errs, "starting afresh")
}

func TestBadInputEndsInOneLineThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, orders, line string
		args               []string
	}{
		{"no JSON", "{\n", "line 1 of the input of topic orders: \"{\" is not a JSON object", []string{"-orders", "-"}},
		{"an id that is no text", `{"id":1}` + "\n", "is not a JSON object with a text as its id", []string{"-orders", "-"}},
		{"no id", "{}\n", "line 1 of the input of topic orders: \"{}\" has no id", []string{"-orders", "-"}},
		{"a number that is none", `{"id":"o","customer":"c1","cents":"many"}` + "\n", "cents", []string{"-orders", "-"}},
		{"a missing file", "", "no such file", []string{"-customers", "missing.jsonl"}},
		{"an argument", "", "flags only, got 1: orders.jsonl", []string{"orders.jsonl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, errs, code := demotest.Run(t, c.orders, program, append([]string{"-dir", t.TempDir()}, c.args...)...)
			require.NotZero(t, code, errs)
			require.Empty(t, out)
			require.Contains(t, errs, c.line)
			require.NotContains(t, errs, "does not run", "what has ended it is told, not that it has ended")
		})
	}
}
