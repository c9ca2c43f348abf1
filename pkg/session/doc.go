// Package session knows which gateway holds which device's connection.
//
// It isn't the sign-in session (that is auth) and not the truth about anything: losing all of it costs live pushes
// until gateways register again, never a message. localsession is the engine of a single process; sessiontest is the
// suite every engine passes.
package session
