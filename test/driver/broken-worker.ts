/** A worker that does not come up. */
throw new Error('no core here')
