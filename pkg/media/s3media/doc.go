// Package s3media keeps blobs in a bucket of S3: the media engine of a cluster. It uses what every S3 has (MinIO,
// versitygw, Ceph, AWS …) and no extension of any.
//
// An upload is one multipart upload to the blob's final key, in parts of PartSize (the last one is shorter). The same parts
// are filled by clients themselves, through presigned addresses that hold for exactly one part of exactly one length, or by
// Write. So:
//   - nothing is to be read before Complete, which puts the parts together; it appears whole or not at all;
//   - an address that a client was given is worth nothing after Complete: what was examined can't be exchanged;
//   - S3 knows what has come (ListParts), and every gateway may go on with an upload that another one began.
//
// Keys are made of ids only:
//
//	media/ab/ID         the blob (ab: the last byte of the id, which is random)
//	media/ab/ID.thumb   its thumbnail
//	uploads/ID.json     while it is being uploaded: which multipart upload, and the size declared
//	uploads/ID.tail     what Write has of a part that isn't full yet, as S3 takes no part below 5 MiB but the last
//
// Through one gateway one request at a time writes a blob. Through two at once both write the same numbered parts, and the
// later part wins: the owner has mixed two uploads of their own, and the hash is of what was really stored.
//
// Every call has a deadline, goes through a circuit breaker and is counted. Start with bucket.go, then upload.go. Lock
// order: there is one lock, held for map operations only.
package s3media
