// Package webui serves the built web client out of the program: its pages, scripts, icons and service worker, with the
// headers that keep a browser from doing anything else with them.
//
// What is served is what lay in built/ when the program was compiled. `make build` puts it there; without Node the folder
// holds a note only, New says so, and the server shows its plain home page instead.
//
// It isn't where the client is written (web/), nor where other pages are served (httpapi). It knows no chat and no session:
// every file is for everyone.
//
// Start with webui.go; policy.go has the headers.
package webui
