// Package cql holds the schema as files that cqlsh runs as they are: migrations/ in order, queries/ for operators.
//
// It has no code beyond the embedding: pkg/store/cqlstore applies the migrations.
package cql
