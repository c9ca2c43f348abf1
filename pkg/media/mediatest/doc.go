// Package mediatest is the suite that every engine of package media passes: Run with a factory.
package mediatest
