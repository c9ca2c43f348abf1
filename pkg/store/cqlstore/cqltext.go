package cqlstore

import "strings"

// splitCQL parts the text of a CQL file into its statements, without comments and the semicolons between them.
func splitCQL(text string) []string {
	var out []string
	var b strings.Builder
	end := func() {
		if s := strings.TrimSpace(b.String()); s != "" {
			out = append(out, s)
		}
		b.Reset()
	}
	for len(text) > 0 {
		n := 1
		switch {
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "//"):
			text = text[lineEnd(text):]
			continue
		case strings.HasPrefix(text, "/*"):
			text = text[past(text, 2, "*/"):]
			b.WriteByte(' ')
			continue
		case text[0] == '\'', text[0] == '"':
			// A doubled quote ends one string and begins the next, which comes to the same here.
			n = past(text, 1, text[:1])
		case strings.HasPrefix(text, "$$"):
			n = past(text, 2, "$$")
		case text[0] == ';':
			end()
			text = text[1:]
			continue
		}
		b.WriteString(text[:n])
		text = text[n:]
	}
	end()
	return out
}

// past is where the first end after the first skip bytes is over, or the text's length.
func past(text string, skip int, end string) int {
	if i := strings.Index(text[skip:], end); i >= 0 {
		return skip + i + len(end)
	}
	return len(text)
}

func lineEnd(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}

// headline is the beginning of a statement on one line, for reports.
func headline(cql string) string {
	s := strings.Join(strings.Fields(cql), " ")
	if before, _, found := strings.Cut(s, " ("); found {
		s = before
	}
	return s[:min(len(s), 160)]
}
