package report

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
)

// Environment says where the numbers come from.
type Environment struct {
	Go         string            `json:"go"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	Rounds     int               `json:"rounds"`
	Modules    map[string]string `json:"modules"` // versions by path
}

// Here describes this process.
func Here(rounds int) Environment {
	e := Environment{
		Go:         runtime.Version(),
		OS:         runtime.GOOS,
		Arch:       runtime.GOARCH,
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		Rounds:     rounds,
		Modules:    map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return e
	}
	for _, m := range info.Deps {
		if slices.Contains(compared, m.Path) {
			e.Modules[m.Path] = m.Version
		}
	}
	return e
}

// compared are the modules whose speed matters.
var compared = []string{
	"github.com/cenkalti/backoff/v4",
	"github.com/failsafe-go/failsafe-go",
	"github.com/google/go-github/v84",
	"github.com/hashicorp/go-retryablehttp",
	"github.com/sony/gobreaker/v2",
	"github.com/standard-webhooks/standard-webhooks/libraries",
	"github.com/stripe/stripe-go/v84",
	"golang.org/x/oauth2",
	"golang.org/x/time",
}

// Write prints e in two lines.
func (e Environment) Write(w io.Writer) error {
	var versions []string
	for _, path := range compared {
		if v, ok := e.Modules[path]; ok {
			versions = append(versions, path+" "+v)
		}
	}
	_, err := fmt.Fprintf(w, "%s %s/%s, GOMAXPROCS %d, %d rounds\n%s\n",
		e.Go, e.OS, e.Arch, e.GOMAXPROCS, e.Rounds, strings.Join(versions, ", "))
	return err
}

// Scenario is the result of one scenario.
type Scenario struct {
	Name  string   `json:"name"`
	About string   `json:"about"`
	Bases []string `json:"bases"` // the subjects that all are compared with
	Rows  []Row    `json:"subjects"`
}

// Row is the result of one subject: medians of all rounds. In JSON each of its
// Ratios is a member of its own, such as "to_bare".
type Row struct {
	Name   string
	Nanos  float64
	Spread float64            // half the distance of the quartiles, as a share of Nanos
	Ratios map[string]float64 // by base: the time as a multiple of the base's
	Allocs uint64
	Bytes  uint64
}

// MarshalJSON names the ratios, which the tag of a field cannot.
func (r Row) MarshalJSON() ([]byte, error) {
	members := map[string]any{
		"name":          r.Name,
		"ns_per_op":     r.Nanos,
		"spread":        r.Spread,
		"allocs_per_op": r.Allocs,
		"bytes_per_op":  r.Bytes,
	}
	for base, ratio := range r.Ratios {
		members["to_"+base] = ratio
	}
	return json.Marshal(members)
}

// New makes the result of a scenario. For each of bases one series must have
// that name.
func New(name, about string, bases []string, all []measure.Series) Scenario {
	s := Scenario{Name: name, About: about, Bases: bases}
	for _, series := range all {
		median := series.Median()
		row := Row{
			Name:   series.Name,
			Nanos:  median.Nanos,
			Spread: series.Spread(),
			Ratios: make(map[string]float64, len(bases)),
			Allocs: median.Allocs,
			Bytes:  median.Bytes,
		}
		for _, base := range bases {
			i := slices.IndexFunc(all, func(s measure.Series) bool { return s.Name == base })
			row.Ratios[base] = series.Ratio(all[i])
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// Write prints s as a table, with a column for each of the bases.
func (s Scenario) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s\n", s.Name, s.About); err != nil {
		return err
	}
	width := 0 // names are aligned to the left, and numbers to the right
	for _, r := range s.Rows {
		width = max(width, len(r.Name))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%-*s\tns/op\t±%%\t", width, "")
	for _, base := range s.Bases {
		fmt.Fprintf(tw, "× %s\t", base)
	}
	fmt.Fprint(tw, "allocs/op\tB/op\t\n")
	for _, r := range s.Rows {
		fmt.Fprintf(tw, "%-*s\t%.0f\t%.0f\t", width, r.Name, r.Nanos, r.Spread*100)
		for _, base := range s.Bases {
			fmt.Fprintf(tw, "%.2f\t", r.Ratios[base])
		}
		fmt.Fprintf(tw, "%d\t%d\t\n", r.Allocs, r.Bytes)
	}
	return tw.Flush()
}
