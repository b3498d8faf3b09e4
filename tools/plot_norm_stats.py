"""Draw batch norm statistics per dataset: ``python tools/plot_norm_stats.py RUN --out FILE``."""

from __future__ import annotations

import argparse

from mmseg_multids.visualization import norm_stats


def main(argv: list[str] | None = None) -> None:
    """Draw the picture and print the distances, or print the layers."""
    parser = argparse.ArgumentParser(
        description='Draw the distributions over channels of running means, running variances and '
        'filter norms (CDCL, Figure 3b). A checkpoint with dataset-specific batch norms gives a '
        'curve per dataset, an ordinary one gives one curve.')
    parser.add_argument('runs', nargs='+', metavar='RUN', help='LABEL=CHECKPOINT or CHECKPOINT')
    parser.add_argument('--out', metavar='FILE', help='picture to write (.png, .pdf, .svg)')
    parser.add_argument('--layers', nargs='+', metavar='LAYER', help='names of batch norms, or '
                        'regular expressions searched in the names (default: the first, the '
                        'middle and the last of the backbone)')
    parser.add_argument('--labels', nargs='+', metavar='LABEL', help='a label for each RUN')
    parser.add_argument('--list', action='store_true', help='print the layers of the first RUN, '
                        'each with the convolution that feeds it')
    args = parser.parse_args(argv)
    if args.labels and len(args.labels) != len(args.runs):
        parser.error(f'--labels has {len(args.labels)} labels for {len(args.runs)} runs')
    if not args.list and not args.out:
        parser.error('--out FILE is needed (or --list)')
    try:
        runs = norm_stats.load_runs(args.runs)
        if args.labels:
            runs = [run._replace(label=label) for run, label in zip(runs, args.labels)]
        layers = norm_stats.norm_layers(runs[0].state)
        if args.layers:
            layers = norm_stats.select_layers(layers, args.layers)
        if args.list:
            for layer in layers:
                conv = norm_stats.conv_of_norm(runs[0].state, layer)
                print(f'{layer}  (filters: {conv or "no convolution found"})')
            return
        collected = norm_stats.collect(runs, layers if args.layers
                                       else norm_stats.default_layers(layers))
        norm_stats.draw_norm_stats(collected, args.out)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(norm_stats.format_distances(collected))
    print(f'picture: {args.out}')


if __name__ == '__main__':
    main()
