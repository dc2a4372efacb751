package measure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Contestant is a piece of work with a name.
type Contestant struct {
	Name string
	Work Work
}

// Series is what was measured of one contestant, a sample for each round.
type Series struct {
	Name    string
	Samples []Sample
}

// Interleave measures the contestants in so many rounds. In each round all of
// them have one slice of about the given time, in an order drawn anew. The
// result is in the order of the contestants. It stops at the first error.
func Interleave(contestants []Contestant, rounds int, slice time.Duration) ([]Series, error) {
	times := make([]int, len(contestants))
	all := make([]Series, len(contestants))
	for i, c := range contestants {
		n, err := calibrate(c.Work, slice)
		if err != nil {
			return nil, fmt.Errorf("measure: %s: %w", c.Name, err)
		}
		times[i], all[i].Name = n, c.Name
	}
	for range rounds {
		for _, i := range rand.Perm(len(contestants)) { // #nosec G404 -- only the order
			s, err := Take(contestants[i].Work, times[i])
			if err != nil {
				return nil, fmt.Errorf("measure: %s: %w", contestants[i].Name, err)
			}
			all[i].Samples = append(all[i].Samples, s)
		}
	}
	return all, nil
}

// Median returns the median of each quantity. There must be a sample.
func (s Series) Median() Sample {
	return Sample{
		Nanos:  quantile(s.nanos(), 0.5),
		Allocs: uint64(quantile(each(s.Samples, func(s Sample) float64 { return float64(s.Allocs) }), 0.5)),
		Bytes:  uint64(quantile(each(s.Samples, func(s Sample) float64 { return float64(s.Bytes) }), 0.5)),
	}
}

// Spread tells how much the times vary: half the distance between the quartiles
// as a share of the median. There must be a sample.
func (s Series) Spread() float64 {
	nanos := s.nanos()
	return (quantile(nanos, 0.75) - quantile(nanos, 0.25)) / 2 / quantile(nanos, 0.5)
}

// Ratio returns the median, over the rounds, of how many times as long s took
// as base took in the same round. Both must come from one Interleave.
func (s Series) Ratio(base Series) float64 {
	ratios := s.nanos()
	for i := range ratios {
		ratios[i] /= base.Samples[i].Nanos
	}
	return quantile(ratios, 0.5)
}

func (s Series) nanos() []float64 {
	return each(s.Samples, func(s Sample) float64 { return s.Nanos })
}

func each(samples []Sample, of func(Sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// quantile sorts values and returns the value at q, in [0, 1], between two of
// them if need be.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	i := int(at)
	if i == len(values)-1 {
		return values[i]
	}
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}
