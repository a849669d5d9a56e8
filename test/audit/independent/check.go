package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// claim is a line of the input: what is said to be proved. The leaves are those of every tree here.
type claim struct {
	Kind string `json:"kind"`
	// Of an inclusion proof.
	Index int64 `json:"index"`
	// Of a consistency proof.
	OldSize int64     `json:"oldSize"`
	OldRoot tlog.Hash `json:"oldRoot"`
	// Of both.
	Size  int64       `json:"size"`
	Root  tlog.Hash   `json:"root"`
	Proof []tlog.Hash `json:"proof"`
	// Of a note.
	Note string `json:"note"`
	Key  string `json:"key"`
	Text string `json:"text"`
}

func check(input io.Reader, output io.Writer) error {
	counts := map[string]int{}
	decoder := json.NewDecoder(bufio.NewReader(input))
	for {
		var each claim
		if err := decoder.Decode(&each); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if err := each.check(); err != nil {
			return fmt.Errorf("%s %d %d %d: %w", each.Kind, each.Size, each.Index, each.OldSize, err)
		}
		counts[each.Kind]++
	}
	return json.NewEncoder(output).Encode(counts)
}

func (c claim) check() error {
	switch c.Kind {
	case "inclusion":
		return tlog.CheckRecord(c.Proof, c.Size, c.Root, c.Index, tlog.RecordHash(leaf(c.Index)))
	case "consistency":
		return tlog.CheckTree(c.Proof, c.Size, c.Root, c.OldSize, c.OldRoot)
	case "note":
		return c.checkNote()
	}
	return fmt.Errorf("it is of no known kind")
}

func (c claim) checkNote() error {
	verifier, err := note.NewVerifier(c.Key)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(c.Note), note.VerifierList(verifier))
	if err == nil && opened.Text != c.Text {
		err = fmt.Errorf("it is another text")
	}
	return err
}
