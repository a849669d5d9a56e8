package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// largest is the size of the largest tree. Every smaller one is there too, from 1 on: tlog has no root for
// the tree without leaves.
const largest = 300

// spelledOut is the size up to which the proofs themselves are written, and not only their digest.
const spelledOut = 8

type vectors struct {
	Trees []treeVector `json:"trees"`
	Notes []noteVector `json:"notes"`
}

type treeVector struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
	// SHA-256 of all proofs, each of them preceded by a byte with the number of its hashes.
	InclusionDigest   tlog.Hash `json:"inclusionDigest"`
	ConsistencyDigest tlog.Hash `json:"consistencyDigest"`
	// The proofs of each leaf, and of each smaller tree from size 1 on.
	Inclusion   [][]tlog.Hash `json:"inclusion,omitempty"`
	Consistency [][]tlog.Hash `json:"consistency,omitempty"`
}

type noteVector struct {
	Seed string `json:"seed"`
	Name string `json:"name"`
	Text string `json:"text"`
	Key  string `json:"key"`
	Note string `json:"note"`
}

func writeVectors(output io.Writer) error {
	reader, err := newTree(largest)
	if err != nil {
		return err
	}
	var all vectors
	for size := int64(1); size <= largest; size++ {
		vector, err := newTreeVector(size, reader)
		if err != nil {
			return err
		}
		all.Trees = append(all.Trees, vector)
	}
	if all.Notes, err = newNoteVectors(all.Trees); err != nil {
		return err
	}
	return writeLines(output, all)
}

// writeLines writes one tree or note a line.
func writeLines(output io.Writer, all vectors) error {
	var text bytes.Buffer
	text.WriteString("{\n\"trees\": [\n")
	for i, tree := range all.Trees {
		if err := writeLine(&text, tree, i == len(all.Trees)-1); err != nil {
			return err
		}
	}
	text.WriteString("],\n\"notes\": [\n")
	for i, each := range all.Notes {
		if err := writeLine(&text, each, i == len(all.Notes)-1); err != nil {
			return err
		}
	}
	text.WriteString("]\n}\n")
	_, err := output.Write(text.Bytes())
	return err
}

func writeLine(text *bytes.Buffer, value any, isLast bool) error {
	line, err := json.Marshal(value)
	text.Write(line)
	if !isLast {
		text.WriteByte(',')
	}
	text.WriteByte('\n')
	return err
}

func newTreeVector(size int64, reader tlog.HashReader) (treeVector, error) {
	vector := treeVector{Size: size}
	var err error
	if vector.Root, err = tlog.TreeHash(size, reader); err != nil {
		return vector, err
	}
	var inclusion, consistency [][]tlog.Hash
	for index := int64(0); index < size; index++ {
		proof, err := tlog.ProveRecord(size, index, reader)
		if err != nil {
			return vector, err
		}
		inclusion = append(inclusion, proof)
		treeProof, err := tlog.ProveTree(size, index+1, reader)
		if err != nil {
			return vector, err
		}
		consistency = append(consistency, treeProof)
	}
	vector.InclusionDigest = digest(inclusion)
	vector.ConsistencyDigest = digest(consistency)
	if size <= spelledOut {
		vector.Inclusion, vector.Consistency = inclusion, consistency
	}
	return vector, nil
}

func digest(proofs [][]tlog.Hash) tlog.Hash {
	var text bytes.Buffer
	for _, proof := range proofs {
		text.WriteByte(byte(len(proof)))
		for _, hash := range proof {
			text.Write(hash[:])
		}
	}
	return sha256.Sum256(text.Bytes())
}

func newNoteVectors(trees []treeVector) ([]noteVector, error) {
	texts := []string{"One line.\n", "Grüße, 世界 🌍\n", "An empty line\n\nin between\n"}
	for _, tree := range []treeVector{trees[0], trees[1], trees[largest-1]} {
		texts = append(texts, fmt.Sprintf("log.example.com/audit\n%d\n%s\n", tree.Size, tree.Root))
	}
	var all []noteVector
	for i, text := range texts {
		vector, err := newNoteVector(byte(i), "log.example.com/audit", text)
		if err != nil {
			return nil, err
		}
		all = append(all, vector)
	}
	named, err := newNoteVector(200, "Prüfstelle", "Another name.\n")
	return append(all, named), err
}

func newNoteVector(filler byte, name, text string) (noteVector, error) {
	seed := bytes.Repeat([]byte{filler}, ed25519.SeedSize)
	key, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil {
		return noteVector{}, err
	}
	signer, err := note.NewSigner(signerKey(key, seed))
	if err != nil {
		return noteVector{}, err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	base64Seed := base64.StdEncoding.EncodeToString(seed)
	return noteVector{Seed: base64Seed, Name: name, Text: text, Key: key, Note: string(signed)}, err
}

// signerKey is the text of the private key that belongs to the text of a public one.
func signerKey(verifierKey string, seed []byte) string {
	// A plus and 33 bytes in base64 follow the name and the id.
	nameAndID := verifierKey[:len(verifierKey)-45]
	return "PRIVATE+KEY+" + nameAndID + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
}
