package check

// edit is one edit of a message.
type edit struct {
	digest   uint64
	asked    int64 // microseconds
	answered int64 // 0: unknown
}

func (c *Checker) edited(e *Event) {
	v := c.conv(e.Conversation)
	if e.Retry {
		v.edits[e.Message] = append(v.edits[e.Message], edit{digest: e.Digest, asked: e.At})
		return
	}
	for i := range v.edits[e.Message] {
		if x := &v.edits[e.Message][i]; x.digest == e.Digest {
			if x.answered == 0 {
				x.answered = e.At
			}
			return
		}
	}
	v.edits[e.Message] = append(v.edits[e.Message], edit{digest: e.Digest, asked: began(e), answered: e.At})
}

func (c *Checker) removed(e *Event) {
	v := c.conv(e.Conversation)
	switch at, known := v.removed[e.Message]; {
	case !e.Retry && at == 0:
		v.removed[e.Message] = e.At
	case !known:
		v.removed[e.Message] = 0
	}
}

// content compares what was received or read with what was sent or edited. What comes as an event may be any version;
// history must show one that no edit had replaced when it was asked for.
func (c *Checker) content(m *message, e *Event) {
	v := m.conv
	if e.Deleted {
		if _, asked := v.removed[e.Message]; !asked && !c.o.Open {
			c.violate(Diverged, e, m, "shown as deleted, but nobody deleted it")
		}
		return
	}
	if e.Digest == 0 {
		return
	}
	edits := v.edits[e.Message]
	if m.digest == 0 && len(edits) == 0 {
		m.digest = e.Digest
		return
	}
	known, current := false, false
	if m.digest == e.Digest {
		known, current = true, e.Kind != Row || !replaced(edits, 0, began(e))
	}
	for _, x := range edits {
		if x.digest == e.Digest {
			known = true
			current = current || e.Kind != Row || x.answered == 0 || !replaced(edits, x.answered, began(e))
		}
	}
	switch {
	case !known:
		c.violate(Diverged, e, m, "its content is neither what was sent nor an edit of it")
	case !current:
		c.violate(Diverged, e, m, "history shows a content that an answered edit had replaced")
	}
}

// replaced reports whether an edit asked for after a moment was answered before another.
func replaced(edits []edit, after, before int64) bool {
	for _, x := range edits {
		if x.asked > after && x.answered != 0 && x.answered < before {
			return true
		}
	}
	return false
}
