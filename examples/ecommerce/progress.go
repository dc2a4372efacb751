package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows how far a shop is: on a terminal as one line that is written over and
// over, elsewhere as one quiet line for each shop.
type progress struct {
	w        io.Writer
	total    int
	terminal bool
	shown    bool // whether the cursor stands behind a progress line
}

func newProgress(w io.Writer, total int) *progress {
	return &progress{w: w, total: total, terminal: isTerminal(w)}
}

// update says that a shop has finished some of its orders.
func (p *progress) update(shop string, done int) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r%-10s %d of %d orders", shop, done, p.total)
		p.shown = true
		if done == p.total {
			p.end()
		}
	case done == 0:
		fmt.Fprintf(p.w, "%s: placing %d orders\n", shop, p.total)
	}
}

// end leaves the progress line, if there is one.
func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
		p.shown = false
	}
}

// isTerminal says whether w is a character device, which a terminal is.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
