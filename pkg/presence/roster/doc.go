// Package roster is what the engines of presence share: a count of connections a user in this process, the grace after the
// last one ended, and the writing behind of last seen times. Who wants to know of whom is asked of Interests (Memory keeps
// it in this process), and whether somebody who left is still connected to another process of Elsewhere.
//
// Memory: about 50 bytes a connected user.
//
// Lock order: none; the mutexes of Roster and Memory are never held together, and nothing is called and nothing is stored
// under them.
package roster
