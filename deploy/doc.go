// Package deploy is what it takes to run a cluster: compose's parts, balancers, dashboards, alerts, kernel settings, and a
// cluster without Docker (package native). Its own code is a test that holds them together. Start reading at README.md.
package deploy
