package cqlstore

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Options{
		"cql://h1/murre":                                   {Hosts: []string{"h1"}, Keyspace: "murre"},
		"cql://127.0.0.1:9043,h2/k_1?dc=eu":                {Hosts: []string{"127.0.0.1:9043", "h2"}, Keyspace: "k_1", DC: "eu"},
		"cql://u:p%40ss@h1/m?timeout=2s&conns=4":           {Hosts: []string{"h1"}, Keyspace: "m", Username: "u", Password: "p@ss", Timeout: 2 * time.Second, Conns: 4},
		"cql://[::1]:9042/m?consistency=quorum":            {Hosts: []string{"[::1]:9042"}, Keyspace: "m", Consistency: Quorum},
		"cql://h/m?serial=global&consistency=local_quorum": {Hosts: []string{"h"}, Keyspace: "m", GlobalSerial: true},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"http://h/m": "cql://", "cql:///m": "no hosts", "cql://h1,/m": "no hosts", "cql://h1": "keyspace", "cql://h1/M": "keyspace",
		"cql://h1:0/m": "bad host", "cql://h1:x/m": "bad host", "cql://h1/m?dcs=1": "dcs", "cql://h1/m?timeout=1": "timeout",
		"cql://h1/m?conns=0": "conns", "cql://h1/m?consistency=one": "consistency", "cql://h1/m?dc=a&dc=b": "2 times",
		"cql://u:se%zzcret@h/m": "percent-encoded",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
