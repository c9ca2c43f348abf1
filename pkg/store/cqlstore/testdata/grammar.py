"""Parses CQL with the grammar that scylla-cqlsh completes with. Reads a JSON list of [name, statement], prints those that it
doesn't take, and exits 1 when there were any.

The grammar serves to complete what people type, so it leaves out some of what both servers take: tuples (as terms and as types), and
a partition key of one column in parentheses of its own. These are added; bind markers are replaced by a number, IN ? by a list."""
import json
import re
import sys

from cqlshlib import cql3handling

rules = cql3handling.CqlRuleSet
rules.append_rules(r"""
<tupleLiteral> ::= "(" <term> ( "," <term> )* ")" ;
<term> ::= <stringLiteral> | <integer> | <float> | <uuid> | <boolean> | <blobLiteral> | <collectionLiteral> | <tupleLiteral>
         | <functionLiteral> <functionArguments> | "NULL" ;
<tupleType> ::= "frozen" "<" "tuple" "<" <storageType> ( "," <storageType> )* ">" ">" ;
<storageType> ::= <simpleStorageType> | <collectionType> | <frozenCollectionType> | <tupleType> | <userType> ;
<pkDef> ::= "(" [ptkey]=<cident> ( "," [ptkey]=<cident> )* ")" ;
""")


def complaint(text):
    text = re.sub(r"\bIN \?", "IN (0)", text).replace("?", "0").rstrip().rstrip(";") + ";"
    tokens = rules.cql_massage_tokens(rules.lex(text))
    match = rules.whole_match("Start", tokens, srcstr=text)
    if match is not None:
        return None
    rest = min((m.remainder for m in rules.parse("Start", tokens)), key=len, default=tokens)
    return " ".join(t[1] for t in rest[:12]) or "its end"


bad = 0
statements = json.load(sys.stdin)
for name, text in statements:
    where = complaint(text)
    if where is not None:
        bad += 1
        print(f"{name}: not in the grammar from {where!r}: {' '.join(text.split())}")
for wrong in ("SELECT FROM messages", "SELECT * FROM a ALLOW", "UPDATE a SET b = 1", "CREATE TABLE t (a int", "INSERT INTO a (b) VALUES (1) USING TTL x"):
    if complaint(wrong) is None:
        bad += 1
        print(f"the grammar takes anything, even: {wrong}")
print(f"{len(statements)} statements, {bad} not in the grammar")
sys.exit(1 if bad else 0)
