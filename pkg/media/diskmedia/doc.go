// Package diskmedia keeps blobs in a folder: the media engine of a single machine.
//
// A blob arrives in uploads/ID, is synced, and renamed to ab/ID (ab: the last byte of the id, which is random), its
// thumbnail to ab/ID.thumb: what has its name is whole. File names are made of ids only. One request at a time writes a
// blob; a folder is never walked. Lock order: there is one lock, held for map operations only.
package diskmedia
