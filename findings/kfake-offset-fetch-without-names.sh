#!/usr/bin/env bash
# kfake, franz-go's in-memory Kafka, answers OffsetFetch up to version 7 with topics that have no name.
#
# Behaviour: the answer begins with as many topics without a name and without partitions as topics were
# asked for. The right ones follow. From version 8 on there are only these. A client that matches topics
# by their place in the answer, or that refuses an empty name, finds no offsets.
#
# Output seen with kfake v0.0.0-20251021233722-4ca18825d8c0, topics with their numbers of partitions:
#   version 7: "" with 0, "orders" with 1
#   version 8: "orders" with 1
. "$(dirname "$0")/workspace.sh"

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	group = "group"
	topic = "orders"
)

func main() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	check(err)
	defer cluster.Close()
	commit(cluster)
	for version := int16(7); version <= 8; version++ {
		fmt.Printf("version %d: %s\n", version, fetch(cluster, version))
	}
}

// commit commits offset 5 of partition 0, by a client that is no member of the group.
func commit(cluster *kfake.Cluster) {
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	check(err)
	defer client.Close()
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Offset = 5
	asked := kmsg.NewOffsetCommitRequestTopic()
	asked.Topic, asked.Partitions = topic, append(asked.Partitions, partition)
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = group, -1
	request.Topics = append(request.Topics, asked)
	_, err = request.RequestWith(context.Background(), client)
	check(err)
}

// fetch asks for the topic's offset, and returns each topic of the answer with its number of partitions.
func fetch(cluster *kfake.Cluster, version int16) string {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(9, version)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MaxVersions(versions))
	check(err)
	defer client.Close()
	request := kmsg.NewPtrOffsetFetchRequest()
	if version < 8 {
		asked := kmsg.NewOffsetFetchRequestTopic()
		asked.Topic, asked.Partitions = topic, []int32{0}
		request.Group, request.Topics = group, append(request.Topics, asked)
	} else {
		asked := kmsg.NewOffsetFetchRequestGroupTopic()
		asked.Topic, asked.Partitions = topic, []int32{0}
		of := kmsg.NewOffsetFetchRequestGroup()
		of.Group, of.Topics = group, append(of.Topics, asked)
		request.Groups = append(request.Groups, of)
	}
	// As it comes from a broker: the client as a whole would bring versions in line.
	response, err := client.Broker(0).RetriableRequest(context.Background(), request)
	check(err)
	answer := response.(*kmsg.OffsetFetchResponse)
	topics := []string{}
	for _, each := range answer.Topics {
		topics = append(topics, fmt.Sprintf("%q with %d", each.Topic, len(each.Partitions)))
	}
	for _, of := range answer.Groups {
		for _, each := range of.Topics {
			topics = append(topics, fmt.Sprintf("%q with %d", each.Topic, len(each.Partitions)))
		}
	}
	return strings.Join(topics, ", ")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
GO
go mod init findings >/dev/null 2>&1 || true
go get github.com/twmb/franz-go/pkg/kfake@v0.0.0-20251021233722-4ca18825d8c0 github.com/twmb/franz-go@v1.20.6 2>go.log || { cat go.log; exit 1; }
expect_seen timeout 120 go run .
