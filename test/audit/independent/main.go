// Command independent is another implementation of what src/audit proves: Go's own, golang.org/x/mod/sumdb.
//
//	independent vectors   writes test/vectors/merkle.json
//	independent check     checks the JSON lines on standard input, and prints how many there were
package main

import (
	"fmt"
	"os"
)

func main() {
	command := ""
	if len(os.Args) == 2 {
		command = os.Args[1]
	}
	var err error
	switch command {
	case "vectors":
		err = writeVectors(os.Stdout)
	case "check":
		err = check(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("say vectors or check")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
