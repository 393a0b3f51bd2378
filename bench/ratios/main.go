// Command ratios reads lines of benchmark results from standard input and prints Millrace's medians beside those of its twins.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
)

type result struct {
	Impl       string  `json:"impl"`
	Workload   string  `json:"workload"`
	Guarantee  string  `json:"guarantee"`
	Variant    string  `json:"variant"`
	Rate       float64 `json:"rec_s"`
	CPU        float64 `json:"cpu_us_rec"`
	RSS        float64 `json:"rss_mb"`
	Startup    float64 `json:"startup_s"`
	First      float64 `json:"first_s"`
	RestoreRec float64 `json:"restore_rec_s"`
}

type group struct{ workload, guarantee, variant string }

func median(rs []result, f func(result) float64) float64 {
	v := make([]float64, len(rs))
	for i, r := range rs {
		v[i] = f(r)
	}
	slices.Sort(v)
	if len(v) == 0 {
		return 0
	}
	return v[len(v)/2]
}

func main() {
	groups := map[group]map[string][]result{}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var r result
		if json.Unmarshal(in.Bytes(), &r) != nil || r.Impl == "" {
			continue
		}
		switch r.Guarantee {
		case "eos":
			r.Guarantee = "exactly_once_v2"
		case "alos":
			r.Guarantee = "at_least_once"
		}
		g := group{r.Workload, r.Guarantee, r.Variant}
		if groups[g] == nil {
			groups[g] = map[string][]result{}
		}
		groups[g][r.Impl] = append(groups[g][r.Impl], r)
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.workload, b.workload), cmp.Compare(a.variant, b.variant), cmp.Compare(a.guarantee, b.guarantee))
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "workload\tguarantee\tvariant\timpl\truns\trecords/s\tCPU us/record\tpeak MB\tto RUNNING s\tto 1st record s\trestore rec/s")
	for _, k := range keys {
		for _, impl := range slices.Sorted(maps.Keys(groups[k])) {
			rs := groups[k][impl]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%.0f\t%.2f\t%.0f\t%.3f\t%.3f\t%.0f\n", k.workload, k.guarantee, k.variant, impl, len(rs),
				median(rs, func(r result) float64 { return r.Rate }), median(rs, func(r result) float64 { return r.CPU }), median(rs, func(r result) float64 { return r.RSS }),
				median(rs, func(r result) float64 { return r.Startup }), median(rs, func(r result) float64 { return r.First }), median(rs, func(r result) float64 { return r.RestoreRec }))
		}
		ours := groups[k]["millrace"]
		for _, impl := range slices.Sorted(maps.Keys(groups[k])) {
			if theirs := groups[k][impl]; impl != "millrace" && len(ours) > 0 {
				ratio := func(f func(result) float64) float64 { return median(ours, f) / median(theirs, f) }
				fmt.Fprintf(w, "\t\t\tmillrace / %s\t\t%.2f\t%.2f\t%.2f\t%.2f\t\t\n", impl, ratio(func(r result) float64 { return r.Rate }),
					ratio(func(r result) float64 { return r.CPU }), ratio(func(r result) float64 { return r.RSS }), ratio(func(r result) float64 { return r.Startup }))
			}
		}
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
