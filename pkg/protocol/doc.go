// Package protocol is the WebSocket protocol of Murre: the frames as Go values, their JSON, the limits, and the error and
// close codes.
//
// Its job is to turn bytes into frames and frames into bytes. It knows no socket, no user and no store, and decides
// nothing about who may do what. Decode and the Append functions sit on the path of every message: they use no
// reflection and allocate nothing but the text that is kept. All functions are safe for concurrent use on different
// values; a ClientFrame, ServerFrame or Pending belongs to one goroutine at a time.
//
// Rules of the decoder, in the order they are checked:
//   - INVALID_JSON: the bytes are not one JSON text in UTF-8 (RFC 8259), or are nested deeper than MaxDepth levels.
//   - VALIDATION_ERROR naming "frame": JSON, but not an object.
//   - VALIDATION_ERROR naming "type": missing, not a string, or not a type that clients send.
//   - VALIDATION_ERROR naming "payload" or "payload.<field>": missing, of the wrong kind, malformed, too long or too many.
//
// A field that the frame's type knows may appear once: twice is a VALIDATION_ERROR naming it (parsers disagree on which
// of two counts, and nothing here may depend on that). Fields that the type doesn't know are ignored, whatever they
// hold, so that newer clients can talk to older servers. null is the same as absent. "type" may stand behind "payload".
// Text is kept exactly, U+0000 included; an escaped surrogate without its pair is a VALIDATION_ERROR.
//
// Start with frames.go, then decode.go and encode.go. tables.go describes every frame once more, as data: AsyncAPI() is
// made of it and the tests hold it against the codec. testdata/vectors are golden frames shared with other languages.
package protocol
