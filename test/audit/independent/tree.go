package main

import (
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// leaf is the data of a leaf in every tree here: its index in decimal.
func leaf(index int64) []byte {
	return []byte(strconv.FormatInt(index, 10))
}

// newTree is a tree of so many leaves, as tlog stores one.
func newTree(size int64) (tlog.HashReader, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for index := int64(0); index < size; index++ {
		hashes, err := tlog.StoredHashes(index, leaf(index), reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	return reader, nil
}
