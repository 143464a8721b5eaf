"""A function that a user's unit calls from another file."""


def leak(v, decay):
    return decay * v
