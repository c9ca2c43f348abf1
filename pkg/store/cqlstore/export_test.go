package cqlstore

// DropKeyspace is for the tests outside of the package, which can't speak to the driver.
var DropKeyspace = dropKeyspace
