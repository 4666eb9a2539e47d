// Command kfake runs franz-go's in-memory Kafka with three brokers until it is killed, and prints
// where they listen.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening " + strings.Join(cluster.ListenAddrs(), ","))
	select {}
}
