// Package hostile holds tests of a whole server in surroundings that are against it: a disk that fills up, a data folder
// that belongs to another process or to a newer version. They need Linux, and root for a small disk of their own.
//
// Hostile input has its tests beside what reads it: pkg/gateway, pkg/gateway/wsconn, pkg/protocol, pkg/httpapi.
package hostile
