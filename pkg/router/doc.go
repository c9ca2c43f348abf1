// Package router takes pushes to the gateways that hold their recipients: to this process's own at once, to others over
// the bus, one envelope a gateway. It is best effort by contract; what it drops is found in the log.
//
// It isn't the log and decides nothing about who may see what. Start with router.go.
package router
