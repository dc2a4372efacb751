package report

import (
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
	"github.com/hashicorp/go-retryablehttp",
	"github.com/sony/gobreaker/v2",
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
	Name  string `json:"name"`
	About string `json:"about"`
	Rows  []Row  `json:"subjects"`
}

// Row is the result of one subject: medians of all rounds.
type Row struct {
	Name   string  `json:"name"`
	Nanos  float64 `json:"ns_per_op"`
	Spread float64 `json:"spread"`  // half the distance of the quartiles, as a share of Nanos
	Glue   float64 `json:"to_glue"` // the time as a multiple of the glue's
	Bare   float64 `json:"to_bare"` // the time as a multiple of the bare transport's
	Allocs uint64  `json:"allocs_per_op"`
	Bytes  uint64  `json:"bytes_per_op"`
}

// New makes the result of a scenario. One series must be named "glue" and one
// "bare".
func New(name, about string, all []measure.Series) Scenario {
	named := func(name string) measure.Series {
		return all[slices.IndexFunc(all, func(s measure.Series) bool { return s.Name == name })]
	}
	glue, bare := named("glue"), named("bare")
	s := Scenario{Name: name, About: about}
	for _, series := range all {
		median := series.Median()
		s.Rows = append(s.Rows, Row{
			Name:   series.Name,
			Nanos:  median.Nanos,
			Spread: series.Spread(),
			Glue:   series.Ratio(glue),
			Bare:   series.Ratio(bare),
			Allocs: median.Allocs,
			Bytes:  median.Bytes,
		})
	}
	return s
}

// Write prints s as a table.
func (s Scenario) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s\n", s.Name, s.About); err != nil {
		return err
	}
	width := 0 // names are aligned to the left, and numbers to the right
	for _, r := range s.Rows {
		width = max(width, len(r.Name))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%-*s\tns/op\t±%%\t× glue\t× bare\tallocs/op\tB/op\t\n", width, "")
	for _, r := range s.Rows {
		fmt.Fprintf(tw, "%-*s\t%.0f\t%.0f\t%.2f\t%.2f\t%d\t%d\t\n",
			width, r.Name, r.Nanos, r.Spread*100, r.Glue, r.Bare, r.Allocs, r.Bytes)
	}
	return tw.Flush()
}
