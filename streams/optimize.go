package streams

// optimize rewrites the plan as Build's options ask.
func (b *Builder) optimize() {}
