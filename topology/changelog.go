package topology

// StoreChangelog is the topic that a store is restored from.
type StoreChangelog struct {
	Store  string
	Topic  string // the full name
	Source bool   // a topic that the application reads, not one that the store writes
}

// StoreChangelogs are the changelogs of the stores of sub-topologies (nil: all that are not global), in order of first use. A store without logging has none.
func (t *Topology) StoreChangelogs(subs []SubtopologyID, applicationID string) []StoreChangelog {
	var out []StoreChangelog
	for _, s := range t.storesIn(subs) {
		name := s.def.Name()
		if s.changelog != "" {
			out = append(out, StoreChangelog{Store: name, Topic: t.FullName(applicationID, s.changelog), Source: true})
		} else if _, logged := s.def.Changelog(); logged {
			out = append(out, StoreChangelog{Store: name, Topic: ChangelogTopic(applicationID, name)})
		}
	}
	return out
}

// changelogOf is the name of the topic that a store's serdes are bound to: its changelog's, had it one or not.
func (t *Topology) changelogOf(store, applicationID string) string {
	if s := t.store(store); s != nil && s.changelog != "" {
		return t.FullName(applicationID, s.changelog)
	}
	return ChangelogTopic(applicationID, store)
}

// ChangelogTopic is the name of the changelog topic of a store that has one of its own.
func ChangelogTopic(applicationID, store string) string {
	return applicationID + "-" + store + "-changelog"
}
