"""What the paper says that has no verdict, and why."""

UNJUDGED = (
    (
        "Sec. 1",
        "“In YOLO [3], the number of units in FC layer is 1000 for dataset COCO”, and what else is said of other works "
        "here and in Sec. 2, but for L-Softmax and A-Softmax",
        "no command can check it",
    ),
    (
        "Sec. 1",
        "softmax “tends to makes CNNs early stop in training”, “brings premature convergence”, and W-Softmax avoids it",
        "no measure of it is named; what can be measured of it is judged by `faster` and `avoids-overfitting-mnist`",
    ),
    (
        "Sec. 4.2",
        "with softmax “learned features from two classes likely distribute very close on both sides of their common "
        "decision boundary”",
        "no distance is named; the boundaries are judged by `kept-apart`, the angles by `angle-falls`",
    ),
    (
        "Sec. 4.3",
        "α is “a positive real number (α ≥ 0)”",
        "read as α ≥ 0; at 0 the loss is softmax with unit weights, see `alpha-0`",
    ),
    (
        "Sec. 5.1",
        "the sizes of the data sets, and MNIST’s “binary” images",
        "`fc_width.data` sees to the sizes when it loads them; MNIST’s images are grey, of 8 bits",
    ),
    (
        "Sec. 5.5",
        "how faces are cropped and “normalized to [−1, 1] by subtracting 127.5 and then dividing by 128”, and how they "
        "are trained",
        "no faces are trained here; what is subtracted and divided so lies within ±127.5/128",
    ),
)
"""Place, statement, why it has no verdict."""
