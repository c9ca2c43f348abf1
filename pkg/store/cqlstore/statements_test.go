package cqlstore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// allStatements are the statements of the query layer by the name of their variable.
func allStatements() map[string][]*statement {
	return map[string][]*statement{
		"pingNow": {pingNow},
		// Messages, logs, claims, devices.
		"putMessage": {putMessage}, "putClaim": {putClaim}, "putBucket": {putBucket}, "getMessage": {getMessage}, "getMessages": {getMessages},
		"beforeUpdate": {beforeUpdate}, "editMessage": {editMessage}, "eraseMessage": {eraseMessage}, "buryMessage": {buryMessage},
		"newestMessages": {newestMessages}, "oldestMessages": {oldestMessages}, "newestBuckets": {newestBuckets}, "oldestBuckets": {oldestBuckets},
		"putReaction": {putReaction}, "getReactions": {getReactions},
		"putInbox": {putInbox}, "putOwnInbox": {putOwnInbox}, "putChanged": {putChanged}, "getLog": {getLog},
		"getClaim": {getClaim}, "newClaim": {newClaim}, "moveClaim": {moveClaim},
		"getChannelCursor": {getChannelCursor}, "setChannelCursor": {setChannelCursor}, "deleteChannelCursors": {deleteChannelCursors},
		"listDevices": {listDevices}, "getDevice": {getDevice}, "newDevice": {newDevice}, "putDevice": {putDevice}, "setCursor": {setCursor},
		"saveAcks": {saveAcks}, "deleteDevice": {deleteDevice},
		// Members, receipts, lists.
		"getConversation": {getConversation}, "getPair": {getPair}, "getMember": {getMember}, "allMembers": {allMembers}, "pageMembers": {pageMembers},
		"casMembers": {casMembers}, "setKind": {setKind}, "setName": {setName}, "setAvatar": {setAvatar}, "setMember": {setMember},
		"clearOutbox": {clearOutbox}, "putListed": {putListed}, "newDirect": {newDirect},
		"putDelivered": {putDelivered}, "putRead": {putRead}, "getWatermark": {getWatermark}, "listWatermarks": {listWatermarks},
		"listedPage": {listedPage}, "listedSelect": {listedSelect}, "listedPrefer": {listedPrefer}, "headInsert": {headInsert}, "headSelect": {headSelect},
		// Accounts.
		"userInsert": {userInsert}, "userSelect": {userSelect}, "userUpdate": {userUpdate}, "userSeen": {userSeen}, "userDelete": {userDelete},
		"usernames":    {usernames.claim, usernames.take, usernames.release, usernames.read, usernames.holders},
		"subjects":     {subjects.claim, subjects.take, subjects.release, subjects.read, subjects.holders},
		"searchInsert": {searchInsert}, "searchDelete": {searchDelete}, "searchSelect": {searchSelect},
		"sessionInsert": {sessionInsert}, "sessionSelect": {sessionSelect}, "sessionExtend": {sessionExtend}, "sessionDelete": {sessionDelete},
		"signInInsert": {signInInsert}, "signInSelect": {signInSelect}, "signInDelete": {signInDelete},
		"blockInsert": {blockInsert}, "blockDelete": {blockDelete}, "blockSelect": {blockSelect}, "blockList": {blockList},
		"mediaInsert": {mediaInsert}, "mediaSelect": {mediaSelect}, "mediaDelete": {mediaDelete},
		"uploadInsert": {uploadInsert}, "uploadDelete": {uploadDelete}, "uploadSelect": {uploadSelect},
		"changeInsert": {changeInsert}, "changeSelect": {changeSelect},
		"leaseSelect": {leaseSelect}, "leaseList": {leaseList}, "leaseInsert": {leaseInsert}, "leaseShown": {leaseShown}, "leaseShow": {leaseShow}, "leaseUpdate": {leaseUpdate}, "storeNow": {storeNow},
		// Copies.
		"importConversation": {importConversation}, "importMember": {importMember}, "importListed": {importListed}, "importHead": {importHead},
		"importEvent": {importEvent}, "importClaim": {importClaim},
	}
}

// allTexts are the statements that don't go through the query layer, by the name of their constant.
func allTexts() map[string]string {
	return map[string]string{
		"cqlRelease": cqlRelease, "cqlIsScylla": cqlIsScylla, "cqlScylla": cqlScylla, "cqlFeatures": cqlFeatures, "cqlKeyspace": cqlKeyspace,
		"cqlTables": cqlTables, "cqlOwnDC": cqlOwnDC, "cqlPeerDCs": cqlPeerDCs, "cqlOwnTag": cqlOwnTag, "cqlPeerTags": cqlPeerTags,
		"cqlMakeLock": cqlMakeLock, "cqlLock": cqlLock, "cqlRelock": cqlRelock, "cqlUnlock": cqlUnlock,
		"cqlMakeMigrations": cqlMakeMigrations, "cqlApplied": cqlApplied, "cqlRecord": cqlRecord,
	}
}

// TestStatementsAreListed holds the lists above to what the package declares, since the grammar check sees only these.
func TestStatementsAreListed(t *testing.T) {
	declared, texts := map[string]bool{}, map[string]bool{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, name := range v.Names {
					switch {
					case g.Tok == token.VAR && i < len(v.Values) && makesStatement(v.Values[i]):
						declared[name.Name] = true
					case g.Tok == token.CONST && strings.HasPrefix(name.Name, "cql"):
						texts[name.Name] = true
					}
				}
			}
		}
	}
	same(t, "allStatements", slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(allStatements())))
	same(t, "allTexts", slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(allTexts())))
	for name, all := range allStatements() {
		for _, s := range all {
			if markers := strings.Count(s.cql, "?"); len(s.names) > 0 && markers < len(s.names) {
				t.Errorf("%s binds %d values, but names %q: %s", name, markers, s.names, s.cql)
			}
		}
	}
}

func makesStatement(e ast.Expr) (makes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if f, ok := c.Fun.(*ast.Ident); ok && (f.Name == "built" || f.Name == "written" || f.Name == "namesIn") {
				makes = true
			}
		}
		return !makes
	})
	return makes
}

func same(t *testing.T, list string, declared, listed []string) {
	t.Helper()
	for _, n := range declared {
		if !slices.Contains(listed, n) {
			t.Errorf("%s lacks %s", list, n)
		}
	}
	for _, n := range listed {
		if !slices.Contains(declared, n) {
			t.Errorf("%s has %s, which isn't declared", list, n)
		}
	}
}
