// Package report turns the result of a load run into what an engineer reads: one HTML file with plots and tables, and the
// comparison of two runs, in the terminal and as HTML.
//
// A page stands alone: plots are inline SVG that Go has drawn, styles are inside, nothing is fetched, and it says the same
// without its little script, which only shows values under the pointer. It follows the reader's choice of light or dark.
// Everything in a result may be hostile (error codes and details come from servers): text goes through html/template or
// html.EscapeString, numbers are formatted here.
//
// It measures nothing and judges nothing but a comparison: verdicts on thresholds are the run's own.
//
// Start with page.go. plot.go draws, runplots.go says which plots there are, tables.go which tables, compare.go what is
// compared.
package report
