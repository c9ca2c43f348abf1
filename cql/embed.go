package cql

import "embed"

// Migrations are the numbered files NNNN_name.cql, applied in order, each once.
//
//go:embed migrations/*.cql
var Migrations embed.FS

// Queries are annotated examples for operators; the servers run none of them.
//
//go:embed queries/*.cql
var Queries embed.FS
