// Package report shows what was measured, as a table or as JSON.
package report
