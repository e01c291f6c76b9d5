package main

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franzAdmin(s *suite) error {
	client, err := s.franz()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, step := range []func(*suite, *kgo.Client, *kadm.Client) error{franzAdminTopics, franzAdminGroups, franzAdminLogs} {
		if err := step(s, client, admin); err != nil {
			return err
		}
	}
	return nil
}

func franzAdminTopics(s *suite, client *kgo.Client, admin *kadm.Client) error {
	ctx, cancel := deadline()
	defer cancel()
	topic, compact := s.name("admin"), "compact"
	if _, err := admin.CreateTopic(ctx, 2, -1, map[string]*string{"cleanup.policy": &compact}, topic); err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 2, -1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("made twice: %v", err)
	}
	if _, err := admin.UpdatePartitions(ctx, 5, topic); err != nil {
		return err
	}
	if err := s.known(client, topic, 5); err != nil {
		return err
	}
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if err := expect("partitions", len(topics[topic].Partitions), 5); err != nil {
		return err
	}
	bytes := "1048576"
	if _, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.bytes", Value: &bytes}}, topic); err != nil {
		return err
	}
	if err := until("the topic is configured", func() (bool, error) {
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return false, err
		}
		found := map[string]string{}
		for _, config := range configs[0].Configs {
			found[config.Key] = config.MaybeValue()
		}
		return found["segment.bytes"] == bytes && found["cleanup.policy"] == compact, nil
	}); err != nil {
		return err
	}
	deleted, err := admin.DeleteTopics(ctx, topic)
	if err == nil {
		err = deleted[topic].Err
	}
	if err != nil {
		return err
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if metadata.Cluster == "" || len(metadata.Brokers) == 0 {
		return fmt.Errorf("metadata %+v", metadata)
	}
	return nil
}

func franzAdminGroups(s *suite, client *kgo.Client, admin *kadm.Client) error {
	ctx, cancel := deadline()
	defer cancel()
	topic, err := s.franzTopic("groups", 2)
	if err != nil {
		return err
	}
	group := s.name("group")
	if err := s.franzSend(topic, numbers(0, 10)); err != nil {
		return err
	}
	offsets := kadm.OffsetsList{{Topic: topic, Partition: 0, At: 1, LeaderEpoch: -1, Metadata: "noted"}, {Topic: topic, Partition: 1, At: 2, LeaderEpoch: -1}}.Offsets()
	if err := admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		return err
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	one, _ := fetched.Lookup(topic, 0)
	two, _ := fetched.Lookup(topic, 1)
	if err := expect("offsets", []any{one.At, one.Metadata, two.At}, []any{1, "noted", 2}); err != nil {
		return err
	}
	lags, err := admin.Lag(ctx, group)
	if err != nil {
		return err
	}
	if err := expect("lag", lags[group].Lag.Total(), 7); err != nil {
		return err
	}
	listed, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if _, ok := listed[group]; !ok {
		return fmt.Errorf("the group is not listed")
	}
	removed := kadm.TopicsSet{}
	removed.Add(topic, 1)
	if _, err := admin.DeleteOffsets(ctx, group, removed); err != nil {
		return err
	}
	fetched, err = admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	if gone, ok := fetched.Lookup(topic, 1); ok && gone.At >= 0 {
		return fmt.Errorf("a deleted offset is still %d", gone.At)
	}
	if _, err := admin.DeleteGroup(ctx, group); err != nil {
		return err
	}
	_ = client
	return nil
}

func franzAdminLogs(s *suite, _ *kgo.Client, admin *kadm.Client) error {
	ctx, cancel := deadline()
	defer cancel()
	topic, err := s.franzTopic("logs", 1)
	if err != nil {
		return err
	}
	if err := s.franzSend(topic, numbers(0, 10)); err != nil {
		return err
	}
	deleted, err := admin.DeleteRecords(ctx, kadm.OffsetsList{{Topic: topic, Partition: 0, At: 4, LeaderEpoch: -1}}.Offsets())
	if err != nil {
		return err
	}
	low, _ := deleted.Lookup(topic, 0)
	if err := expect("low watermark", low.LowWatermark, 4); err != nil {
		return err
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(topic, 0)
	if err := expect("log start", start.Offset, 4); err != nil {
		return err
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return err
	}
	size := int64(0)
	dirs.Each(func(dir kadm.DescribedLogDir) {
		if partition, ok := dir.Topics.Lookup(topic, 0); ok {
			size += partition.Size
		}
	})
	if size == 0 {
		return fmt.Errorf("the log directories do not hold the topic")
	}
	id := s.name("txn")
	producer, err := s.franz(kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		return err
	}
	if err := producer.ProduceSync(ctx, kgo.StringRecord("open")).FirstErr(); err != nil {
		return err
	}
	described, err := admin.DescribeTransactions(ctx, id)
	if err != nil {
		return err
	}
	if err := expect("state", described[id].State, "Ongoing"); err != nil {
		return err
	}
	set := kadm.TopicsSet{}
	set.Add(topic, 0)
	producers, err := admin.DescribeProducers(ctx, set)
	if err != nil {
		return err
	}
	open := 0
	for _, producer := range producers.SortedProducers() {
		if producer.CurrentTxnStartOffset == 10 {
			open++
		}
	}
	if err := expect("open transactions of the partition", open, 1); err != nil {
		return err
	}
	listed, err := admin.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return err
	}
	if _, ok := listed[id]; !ok {
		return fmt.Errorf("the transaction is not listed")
	}
	return producer.EndTransaction(ctx, kgo.TryAbort)
}
