package protocol

import (
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	testUser   = "0190f3c2-7e3a-7b1c-8d2e-0123456789ab"
	testConv   = "0190f3c2-7e3a-7b1c-8d2e-0123456789ac"
	testClient = "0190f3c2-7e3a-7b1c-8d2e-0123456789ad"
)

func sendFrame(content string) []byte {
	return []byte(`{"type":"message","payload":{"conversationId":"` + testConv + `","content":` + content +
		`,"contentType":"text","clientMessageId":"` + testClient + `"}}`)
}

func BenchmarkDecodeMessage(b *testing.B) {
	data := sendFrame(`"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"`)
	var f ClientFrame
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(data, &f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeAck(b *testing.B) {
	data := []byte(`{"type":"ack","payload":{"messageId":"0ABCDEFGHJKMN"}}`)
	var f ClientFrame
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(data, &f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	var f ClientFrame
	if err := Decode(sendFrame(`"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"`), &f); err != nil {
		b.Fatal(err)
	}
	m := chat.Message{ID: 1 << 60, Conversation: f.Message.Conversation, ClientMessageID: f.Message.ClientMessage, ContentType: chat.Text, Content: f.Message.Content}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendMessage(dst[:0], &m, 1<<60+1, chat.Sent)
	}
}

func BenchmarkDecodeServerMessage(b *testing.B) {
	m := sampleMessage()
	m.Content = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"
	data := AppendMessage(nil, m, sampleEventID(1), 0)
	var f ServerFrame
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeServer(data, &f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeServerStatus(b *testing.B) {
	data := AppendStatus(nil, &chat.StatusChange{Conversation: room, User: bob, Status: chat.Delivered, Messages: []chat.MessageID{sampleMessageID(1)}, At: sampleTime})
	var f ServerFrame
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeServer(data, &f); err != nil {
			b.Fatal(err)
		}
	}
}
