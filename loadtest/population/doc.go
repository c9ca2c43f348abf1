// Package population is the people of a load run: who they are, with whom they talk, and the rows that they are.
//
// Everything follows from a seed and a number. User i, device i, the partner of i, the members of group g and all their ids
// are computed, not stored, so that any process knows any part of a population of millions at no cost, and two processes
// agree without a word.
//
// Everybody has one direct conversation, with their partner, and may be in groups. Load writes all of it into a store past
// the server, as rows that the server would have written itself. Tokens are JWTs, made where they are needed.
//
// Start with population.go; permutation.go is how a random partner is found in both directions, load.go how rows get in.
package population
