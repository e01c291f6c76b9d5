package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

var segmentioChecks = []check{
	{"kafka-go: records in every codec with keys, headers and timestamps come back", segmentioCodecs},
	{"kafka-go: two members of a group share partitions, and one takes over", segmentioRebalance},
	{"kafka-go: a group commits and goes on where it stopped", segmentioResume},
	{"kafka-go: offsets by time, at the start and at the end", segmentioOffsets},
	{"kafka-go: admin: topics, partitions, configs, groups", segmentioAdmin},
}

func (s *suite) segmentio() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: limit, Transport: segmentioTransport()}
}

// segmentioTransport does not share what it knows of topics with earlier checks, which is old for seconds.
func segmentioTransport() *kafka.Transport {
	return &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
}

func (s *suite) segmentioSend(topic string, messages ...kafka.Message) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(s.brokers...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		Transport: segmentioTransport(),
	}
	defer writer.Close()
	ctx, cancel := deadline()
	defer cancel()
	return writer.WriteMessages(ctx, messages...)
}

func segmentioMessages(texts []string) []kafka.Message {
	var messages []kafka.Message
	for _, text := range texts {
		messages = append(messages, kafka.Message{Key: []byte(text), Value: []byte(text)})
	}
	return messages
}

func segmentioCodecs(s *suite) error {
	topic, err := s.franzTopic("codecs", 1)
	if err != nil {
		return err
	}
	at := time.UnixMilli(1_700_000_000_123)
	codecs := []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd}
	for _, codec := range codecs {
		writer := &kafka.Writer{
			Addr: kafka.TCP(s.brokers...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
			Compression: codec, Transport: segmentioTransport(),
		}
		var messages []kafka.Message
		for range 20 {
			messages = append(messages, kafka.Message{
				Key: []byte{byte('0' + codec)}, Value: []byte("value value value value"), Time: at,
				Headers: []kafka.Header{{Key: "codec", Value: []byte{byte('0' + codec)}}},
			})
		}
		ctx, cancel := deadline()
		err := writer.WriteMessages(ctx, messages...)
		cancel()
		_ = writer.Close()
		if err != nil {
			return err
		}
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: s.brokers, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	ctx, cancel := deadline()
	defer cancel()
	for range 20 * len(codecs) {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return err
		}
		if string(message.Value) != "value value value value" || !message.Time.Equal(at) || len(message.Headers) != 1 || string(message.Headers[0].Value) != string(message.Key) {
			return fmt.Errorf("%+v", message)
		}
	}
	return nil
}

// segmentioMember is a group member that notes from which partitions it reads.
type segmentioMember struct {
	reader *kafka.Reader
	stop   context.CancelFunc
	done   chan struct{}
	mutex  sync.Mutex
	seen   map[int]int64
}

func (s *suite) segmentioJoin(group, topic string) *segmentioMember {
	ctx, cancel := context.WithCancel(context.Background())
	m := &segmentioMember{stop: cancel, done: make(chan struct{}), seen: map[int]int64{}, reader: kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.brokers, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond, HeartbeatInterval: 300 * time.Millisecond,
		RebalanceTimeout: 10 * time.Second, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 200 * time.Millisecond,
	})}
	go func() {
		defer close(m.done)
		for {
			message, err := m.reader.FetchMessage(ctx)
			if err != nil {
				return
			}
			m.mutex.Lock()
			m.seen[message.Partition] = message.Offset
			m.mutex.Unlock()
			_ = m.reader.CommitMessages(ctx, message)
		}
	}()
	return m
}

func (m *segmentioMember) partitions() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.seen)
}

func (m *segmentioMember) forget() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.seen = map[int]int64{}
}

func (m *segmentioMember) leave() {
	m.stop()
	<-m.done
	_ = m.reader.Close()
}

// segmentioSpread writes a record into each partition until who reads them is as expected.
func (s *suite) segmentioSpread(topic, what string, members map[*segmentioMember]int) error {
	client := s.segmentio()
	return until(what, func() (bool, error) {
		for m := range members {
			m.forget()
		}
		ctx, cancel := deadline()
		defer cancel()
		for partition := range 4 {
			_, err := client.Produce(ctx, &kafka.ProduceRequest{
				Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
				Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("x"))}),
			})
			if err != nil {
				return false, err
			}
		}
		end := time.Now().Add(2 * time.Second)
		for {
			held := true
			for m, expected := range members {
				held = held && m.partitions() == expected
			}
			if held || time.Now().After(end) {
				return held, fmt.Errorf("other members read them")
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

func segmentioRebalance(s *suite) error {
	topic, err := s.franzTopic("share", 4)
	if err != nil {
		return err
	}
	group := s.name("group")
	one := s.segmentioJoin(group, topic)
	if err := s.segmentioSpread(topic, "the first reads all", map[*segmentioMember]int{one: 4}); err != nil {
		one.leave()
		return err
	}
	two := s.segmentioJoin(group, topic)
	defer two.leave()
	err = s.segmentioSpread(topic, "each reads half", map[*segmentioMember]int{one: 2, two: 2})
	one.leave()
	if err != nil {
		return err
	}
	return s.segmentioSpread(topic, "the second reads all", map[*segmentioMember]int{two: 4})
}

func segmentioResume(s *suite) error {
	topic, err := s.franzTopic("resume", 1)
	if err != nil {
		return err
	}
	if err := s.segmentioSend(topic, segmentioMessages(numbers(0, 10))...); err != nil {
		return err
	}
	group, next := s.name("group"), 0
	for _, end := range []int{4, 10} {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: s.brokers, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset})
		ctx, cancel := deadline()
		for ; next < end; next++ {
			message, err := reader.ReadMessage(ctx)
			if err == nil {
				err = expect("value", string(message.Value), next)
			}
			if err != nil {
				cancel()
				_ = reader.Close()
				return err
			}
		}
		cancel()
		if err := reader.Close(); err != nil {
			return err
		}
	}
	return nil
}

func segmentioOffsets(s *suite) error {
	topic, err := s.franzTopic("offsets", 1)
	if err != nil {
		return err
	}
	base := time.Now()
	for number := range 5 {
		if err := s.segmentioSend(topic, kafka.Message{Value: []byte("x"), Time: base.Add(time.Duration(number) * time.Second)}); err != nil {
			return err
		}
	}
	ctx, cancel := deadline()
	defer cancel()
	for _, one := range []struct {
		request  kafka.OffsetRequest
		expected int64
	}{{kafka.FirstOffsetOf(0), 0}, {kafka.LastOffsetOf(0), 5}, {kafka.TimeOffsetOf(0, base.Add(2500*time.Millisecond)), 3}} {
		listed, err := s.segmentio().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {one.request}}})
		if err != nil {
			return err
		}
		found := listed.Topics[topic][0]
		if found.Error != nil {
			return found.Error
		}
		offset := max(found.FirstOffset, found.LastOffset)
		for at := range found.Offsets {
			offset = max(offset, at)
		}
		if err := expect("offset", offset, one.expected); err != nil {
			return err
		}
	}
	return nil
}

func segmentioAdmin(s *suite) error {
	client, topic := s.segmentio(), s.name("admin")
	ctx, cancel := deadline()
	defer cancel()
	created, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}},
	}}})
	if err == nil {
		err = created.Errors[topic]
	}
	if err != nil {
		return err
	}
	grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}})
	if err == nil {
		err = grown.Errors[topic]
	}
	if err != nil {
		return err
	}
	if err := until("the topic has three partitions", func() (bool, error) {
		metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		return err == nil && len(metadata.Topics[0].Partitions) == 3, err
	}); err != nil {
		return err
	}
	if err := until("the topic keeps records forever", func() (bool, error) {
		described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"},
		}}})
		if err != nil || len(described.Resources[0].ConfigEntries) == 0 {
			return false, err
		}
		found := described.Resources[0].ConfigEntries[0].ConfigValue
		return found == "-1", fmt.Errorf("it says %s", found)
	}); err != nil {
		return err
	}
	if _, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{}); err != nil {
		return err
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return errors.Join(deleted.Errors[topic])
}
