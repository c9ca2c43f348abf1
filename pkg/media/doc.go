// Package media is the port to the bytes of blobs, and what is learned from them: is the content what it was declared as,
// how large is the picture, what does its thumbnail look like.
//
// It isn't the description of blobs (store.Media) and decides nothing about who may see one (service). diskmedia is the
// engine of a single machine; s3media that of a cluster, which sends clients to S3 by presigned addresses through the same
// port. mediatest is the suite every engine passes. Start with media.go, then pictures.go.
package media
