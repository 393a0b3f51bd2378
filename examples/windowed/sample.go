package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// sample are a thousand views within five minutes, up to ten seconds out of order.
func sample() string {
	r := rand.New(rand.NewPCG(1, 2))
	pages := []string{"/", "/", "/", "/docs", "/docs", "/blog", "/about"}
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	type event struct {
		page      string
		at, heard time.Duration
	}
	var events []event
	for range 1000 {
		at := time.Duration(r.Int64N(int64(5 * time.Minute)))
		events = append(events, event{pages[r.IntN(len(pages))], at, at + time.Duration(r.Int64N(int64(grace)))})
	}
	slices.SortFunc(events, func(a, b event) int { return int(a.heard - b.heard) })
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s\t%s\n", e.page, noon.Add(e.at.Truncate(time.Second)).Format(time.RFC3339))
	}
	return b.String()
}
