"""The optimum of a routing case by an integer programme, to hold lowtide's plans and bounds against a solver of another make.

    pip install highspy
    cargo run --release -p lowtide-simulator --example routing -- DATA 200 FOLDER
    python3 examples/routing/exact.py FOLDER/stretch-5-10-0.5.csv [seconds]

Only cases whose jobs run in one stretch: a column for each kind of job, place and start.
"""

import collections
import itertools
import sys

import highspy

Place = collections.namedtuple("Place", "room transfer_kwh intensities")
Task = collections.namedtuple("Task", "length width kilowatts home")


def read(path):
    places, tasks = [], []
    for line in open(path):
        kind, *fields = line.strip().split(",")
        if kind == "place":
            room, transfer, *levels = map(float, fields)
            places.append(Place(room, transfer, levels))
        else:
            length, width, kilowatts, home = fields
            tasks.append(Task(int(length), float(width), float(kilowatts), int(home)))
    return places, collections.Counter(tasks)


def solve(places, tasks, seconds):
    slots = len(places[0].intensities)
    cost, upper, rows = [], [], []
    taken = collections.defaultdict(list)
    for task, count in tasks.items():
        columns = []
        for number, place in enumerate(places):
            if place.room < task.width:
                continue
            sums = [0.0, *itertools.accumulate(place.intensities)]
            for start in range(slots - task.length + 1):
                moved = 0.0 if number == task.home else place.transfer_kwh * place.intensities[start]
                columns.append(len(cost))
                for slot in range(start, start + task.length):
                    taken[number, slot].append((len(cost), task.width))
                cost.append(task.kilowatts * (sums[start + task.length] - sums[start]) + moved)
                upper.append(count)
        rows.append(([(column, 1.0) for column in columns], count, count))
    rows += [(row, -highspy.kHighsInf, places[place].room) for (place, _), row in taken.items()]

    problem = highspy.HighsLp()
    problem.num_col_, problem.num_row_ = len(cost), len(rows)
    problem.col_cost_, problem.col_lower_, problem.col_upper_ = cost, [0.0] * len(cost), upper
    problem.integrality_ = [highspy.HighsVarType.kInteger] * len(cost)
    problem.row_lower_, problem.row_upper_ = [row[1] for row in rows], [row[2] for row in rows]
    matrix = problem.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_ = [0, *itertools.accumulate(len(row[0]) for row in rows)]
    matrix.index_ = [column for row in rows for column, _ in row[0]]
    matrix.value_ = [value for row in rows for _, value in row[0]]

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", seconds)
    solver.setOptionValue("mip_rel_gap", 0.002)
    solver.passModel(problem)
    solver.run()
    return solver.getInfo()


if __name__ == "__main__":
    if "pausable" in sys.argv[1]:
        sys.exit(f"{sys.argv[1]}: its jobs can be paused, which this programme does not know")
    found = solve(*read(sys.argv[1]), float(sys.argv[2]) if 2 < len(sys.argv) else 60.0)
    print(f"best {found.objective_function_value / 1e3:.3f} kg, no less than {found.mip_dual_bound / 1e3:.3f} kg")
