// Digest prints the SHA-256 of every file below the directories named, computed by one goroutine a file.
//
//	berth run --dir ./texts::/texts:ro digest.wasm /texts
package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

func main() {
	var (
		group sync.WaitGroup
		lock  sync.Mutex
		lines []string
	)
	for _, root := range os.Args[1:] {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			group.Add(1)
			go func() {
				defer group.Done()
				data, err := os.ReadFile(path)
				lock.Lock()
				defer lock.Unlock()
				if err != nil {
					lines = append(lines, err.Error())
					return
				}
				lines = append(lines, fmt.Sprintf("%x  %s", sha256.Sum256(data), path))
			}()
			return nil
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	group.Wait()
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}
